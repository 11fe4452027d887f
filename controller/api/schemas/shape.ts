/** How schemas are made: closed, optional, or named as a component of the OpenAPI document. */
import { Type } from 'typebox'

/** The keyword that names a schema. The document shows references in its place. */
export const NAME_KEYWORD = 'x-name'

export const closed = { additionalProperties: false }
/** Options of a closed object that is a component of the document. */
export const named = (name: string) => ({ ...closed, [NAME_KEYWORD]: name })

export const maybe = Type.Optional
export const words = (...values: string[]) => Type.Enum(values)

/** How schemas are made: closed, optional, and named where the OpenAPI document shows them as a component. */
import { Type } from 'typebox'

/** The keyword that names a schema. It stands in no answer: the document has references in its place. */
export const NAME_KEYWORD = 'x-name'

export const closed = { additionalProperties: false }
/** Options of a closed object that is a component of the document. */
export const named = (name: string) => ({ ...closed, [NAME_KEYWORD]: name })

export const maybe = Type.Optional
export const words = (...values: string[]) => Type.Enum(values)

/** Metadata of instances, and which instances a choice by it selects. */
import { isObject, isText } from './guarded.js'

/** Metadata by name. An instance is selected if it has all of these, with just these texts. */
export type Where = Record<string, string>

/** The source that an agent has an instance from; it comes on top of 32 entries of its own. */
const SOURCE = 'source'

/** How many, beside {@link SOURCE}. */
export const MOST_METADATA = 32

/** Whether it may be one entry. */
export function isMetadataEntry(name: string, value: unknown): boolean {
  return /^(?!__proto__$)[A-Za-z0-9_.-]{1,64}$/.test(name) && isText(value, 256)
}

/** What is wrong with it; null for nothing. */
export function guardMetadata(value: unknown): string | null {
  if (!isObject(value)) {
    return 'must be an object of strings'
  }
  const keys = Object.keys(value)
  if (keys.filter((key) => key !== SOURCE).length > MOST_METADATA) {
    return 'must have at most 32 entries, beside ' + SOURCE
  }
  const bad = keys.filter((key) => !isMetadataEntry(key, value[key]))
  return bad.length > 0
    ? 'entry ' +
        JSON.stringify((bad[0] as string).slice(0, 64)) +
        ' must be a plain name with a text of at most 256'
    : null
}

export function isSelected(metadata: Record<string, string> | undefined, where: Where): boolean {
  return Object.keys(where).every((name) => {
    return (
      metadata !== undefined &&
      Object.prototype.hasOwnProperty.call(metadata, name) &&
      metadata[name] === where[name]
    )
  })
}

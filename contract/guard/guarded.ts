/**
 * What all guards are made of. A guard answers either the value, or which field is wrong and why.
 * It never throws.
 */

export type Guarded<T> = { ok: true; value: T } | { ok: false; field: string; message: string }

export type Fields = Record<string, unknown>

/** A field, whether a value fits it, and what it must be. */
export type FieldRule = [string, (value: unknown) => boolean, string]

export function wrong<T>(field: string, message: string): Guarded<T> {
  return { ok: false, field: field, message: message }
}

export function right<T>(value: T): Guarded<T> {
  return { ok: true, value: value }
}

/** `policy`, `retry.tries` → `policy.retry.tries` */
export function fieldIn(part: string, field: string): string {
  return part + (field === '' ? '' : '.' + field)
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Half of a character, which as bytes would become another text. */
const HALF = /[\ud800-\udbff](?![\udc00-\udfff])|(?:^|[^\ud800-\udbff])[\udc00-\udfff]/

/** A text of at most `most` characters, none of them half. */
export function isWholeText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length <= most && !HALF.test(value)
}

/** The same, and without control characters. */
export function isText(value: unknown, most: number): value is string {
  return isWholeText(value, most) && !/[\u0000-\u001f\u007f]/.test(value)
}

/** The message of a field that a guard does not know begins so. */
export const UNKNOWN_FIELD = 'is not a known field'

/** An object of no other fields than `known`. */
export function guardShape(value: unknown, known: string[]): Guarded<Fields> {
  if (!isObject(value)) {
    return wrong('', 'must be an object')
  }
  const extra = Object.keys(value).filter((key) => known.indexOf(key) < 0)
  return extra.length > 0
    ? wrong(extra[0] as string, UNKNOWN_FIELD + knownText(known))
    : right(value)
}

/** `; known are host, port`, behind a message that something is not known. */
export function knownText(known: readonly string[]): string {
  return known.length === 0 ? '; there are none' : '; known are ' + known.join(', ')
}

/** The first rule that a field breaks. A field that is absent breaks one only if it is required. */
export function brokenRule(
  fields: Fields,
  rules: FieldRule[],
  required: string[],
): FieldRule | undefined {
  return rules.filter((rule) => {
    const value = fields[rule[0]]
    const isLeftOut = value === undefined && required.indexOf(rule[0]) < 0
    return !isLeftOut && !rule[1](value)
  })[0]
}

/** What was given, in the words of an error. Its reader need not look for it. */
const MOST_SHOWN = 60

/** `"80"`, `0`, `a list`: short, and on one line. */
export function givenText(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? 'an empty list' : 'a list'
  }
  if (typeof value === 'object' && value !== null) {
    return Object.keys(value).length === 0 ? 'an empty object' : 'an object'
  }
  const text = typeof value === 'string' ? value : String(value)
  const short = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text
  return typeof value === 'string' ? JSON.stringify(short) : short
}

/** `must be a port` → `must be a port (given: "x")`, or `is missing; it must be a port`. */
export function withGiven(rule: string, value: unknown): string {
  return value === undefined ? `is missing; it ${rule}` : `${rule} (given: ${givenText(value)})`
}

/**
 * The part of a body that a path such as `split[0].weight` names, in a list of one. Undefined where
 * there is no such place.
 */
export function partAt(body: unknown, path: string): [unknown] | undefined {
  let part = body
  for (const name of path.replaceAll('[', '.').replaceAll(']', '').split('.')) {
    if (typeof part !== 'object' || part === null) {
      return undefined
    }
    part = Object.hasOwn(part, name) ? (part as Record<string, unknown>)[name] : undefined
  }
  return [part]
}

/** Reads the bodies of calls. The guards of contract/ parse the records; this does the rest. */
import { knownText } from '../../../contract/guard/guarded.js'
import type { Guarded } from '../../../contract/guard/guarded.js'
import { SluiceError } from '../../../runtime/errors.js'
import { hasField, withFields, withoutField } from '../../state/known-fields.js'
import { partAt, withGiven } from '../http/given.js'
import { printTarget } from './targets.js'
import type { CallTarget } from './targets.js'

/** Tokens are sent in headers, and an error is printed in logs that others read. */
const MAY_BE_SECRET = /(^|\.)(headers|requestHeaders|responseHeaders)\./

/**
 * The guard's answer, or its complaint as an error that names the field and, where `given` is what
 * was judged, what stands there.
 */
export function requireValid<T>(checked: Guarded<T>, given?: unknown): T {
  if (checked.ok) {
    return checked.value
  }
  const { field, message } = checked
  const subject = field === '' ? 'the body' : field
  // What is refused for another reason than its value, such as a field that does not belong there,
  // needs no more words.
  const isShown = /^must /.test(message) && field !== '' && !MAY_BE_SECRET.test(field)
  const part = isShown ? partAt(given, field) : undefined
  const what = part === undefined ? message : withGiven(message, part[0])
  throw new SluiceError('invalid', `${subject} ${what}`, { ...(field !== '' && { field }) })
}

/**
 * The body as an object with none but the `known` fields; an absent body counts as `{}` where
 * `optional`.
 */
export function fieldsOf(
  body: unknown,
  known: readonly string[],
  optional = false,
): Record<string, unknown> {
  const given = optional && (body === undefined || body === null) ? {} : body
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new SluiceError('invalid', 'the body must be a JSON object')
  }
  const extra = Object.keys(given).find((field) => !known.includes(field))
  if (extra !== undefined) {
    const field = extra.slice(0, 100)
    throw new SluiceError('invalid', `${field} is not a known field${knownText(known)}`, { field })
  }
  return given as Record<string, unknown>
}

/** DELETE and undrain say everything with their path. */
export function refuseBody(body: unknown): void {
  fieldsOf(body, [], true)
}

/** What is stored, as far as it is known. What is not understood cannot be changed in part. */
export function requireKnown<T>(known: T | undefined, target: CallTarget): T {
  if (known === undefined) {
    const what = `what is stored as ${printTarget(target)} is not valid; PUT it`
    throw new SluiceError('conflict', what)
  }
  return known
}

export interface Patched<T> {
  record: T
  /** The record, with what is kept. */
  value: object
  /** Fields that this version does not know, and that stay. */
  kept: string[]
}

/**
 * Merges a patch into a stored value, of which this version does not know the `unknown` fields.
 * They stay, unless a part that they stand in goes. The patch itself may have none of them.
 */
export function patched<T extends object>(
  stored: object,
  unknown: string[],
  patch: Record<string, unknown>,
  check: (value: unknown) => Guarded<T>,
): Patched<T> {
  const whole = mergePatch({ ...stored }, patch)
  const kept = unknown.filter((path) => hasField(whole, path) && !hasField(patch, path))
  const fields = kept.reduce(withoutField, whole)
  const record = requireValid(check(fields), fields)
  return { record, value: withFields(record, whole, kept), kept }
}

/** RFC 7396: null removes, objects merge, everything else replaces. */
function mergePatch(
  onto: Record<string, unknown>,
  patch: Record<string, unknown>,
): Record<string, unknown> {
  const merged = { ...onto }
  for (const [field, value] of Object.entries(patch)) {
    const inner = merged[field]
    if (value === null) {
      delete merged[field]
    } else if (isPlain(value)) {
      merged[field] = mergePatch(isPlain(inner) ? inner : {}, value)
    } else {
      merged[field] = value
    }
  }
  return merged
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

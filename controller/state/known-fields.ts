/** Values of another version: read without the fields that this one does not know. */
import { UNKNOWN_FIELD, isObject, wrong } from '../../contract/guard/guarded.js'
import type { Guarded, Fields } from '../../contract/guard/guarded.js'

export interface KnownPart<T> {
  record: T
  /** Fields that this version does not know: `policy.retry.hedge`, `split[0].when`. */
  unknown: string[]
}

/** More of them than this is no newer version's record. */
const MOST_UNKNOWN = 50

/**
 * Reads a value by its guard, without the fields that the guard does not know. A value that says
 * what it `needs` may not be read so, and is refused.
 */
export function readKnown<T>(
  value: unknown,
  check: (value: unknown) => Guarded<T>,
): Guarded<KnownPart<T>> {
  if (isObject(value) && value.needs !== undefined) {
    const needs = JSON.stringify(value.needs).slice(0, 200)
    return wrong('needs', `names what this version of Sluice does not know: ${needs}`)
  }
  const unknown: string[] = []
  for (let known = value; ;) {
    const found = check(known)
    if (found.ok) {
      return { ok: true, value: { record: found.value, unknown } }
    }
    const isUnknown = found.message.startsWith(UNKNOWN_FIELD) && unknown.length < MOST_UNKNOWN
    if (!isUnknown || fieldAt(known, found.field) === undefined) {
      return found
    }
    known = withoutField(known, found.field)
    unknown.push(found.field)
  }
}

/** A copy of the value without the field at this path, where it is there. */
export function withoutField<T>(value: T, path: string): T {
  const copy = structuredClone(value)
  const [part, name] = fieldAt(copy, path) ?? []
  if (part !== undefined && name !== undefined) {
    Reflect.deleteProperty(part, name)
  }
  return copy
}

/** The record with those fields of `value` that it lacks, where their parts are still there. */
export function withFields<T extends object>(record: T, value: unknown, paths: string[]): T {
  const copy = structuredClone(record)
  for (const path of paths) {
    const [from, name] = fieldAt(value, path) ?? []
    const onto = partOf(copy, namesOf(path).slice(0, -1))
    if (from !== undefined && name !== undefined && isObject(onto)) {
      onto[name] ??= from[name]
    }
  }
  return copy
}

export function hasField(value: unknown, path: string): boolean {
  return fieldAt(value, path) !== undefined
}

/** The object that has the field, and the field's name in it. */
function fieldAt(value: unknown, path: string): [Fields, string] | undefined {
  const names = namesOf(path)
  const last = names.pop()
  const part = partOf(value, names)
  return last !== undefined && isObject(part) && Object.hasOwn(part, last)
    ? [part, last]
    : undefined
}

function partOf(value: unknown, names: string[]): unknown {
  return names.reduce<unknown>(
    (part, name) =>
      typeof part === 'object' && part !== null && Object.hasOwn(part, name)
        ? Reflect.get(part, name)
        : undefined,
    value,
  )
}

/** `split[0].when` → split, 0, when */
function namesOf(path: string): string[] {
  return path.split(/[.[\]]+/).filter((name) => name !== '')
}

/** What an operator decided about an instance, and its guard. */
import { guardShape, isText, right, wrong } from '../guard/guarded.js'
import type { Guarded } from '../guard/guarded.js'
import { isWhole } from '../guard/names.js'

/** `overrides/<upstream>/<id>`: what an operator decided; outlives the instance's registration. */
export interface OverrideRecord {
  drain: true
  reason?: string
  /** Unix time in milliseconds. */
  atMs: number
}

/** `{drain: true, atMs: 1770000000000, reason: "deploy"}` */
export function guardOverride(value: unknown): Guarded<OverrideRecord> {
  const shape = guardShape(value, ['drain', 'reason', 'atMs'])
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  if (fields.drain !== true) {
    return wrong('drain', 'must be true')
  }
  if (!isWhole(fields.atMs, 0, Number.MAX_SAFE_INTEGER)) {
    return wrong('atMs', 'must be a time in milliseconds')
  }
  return fields.reason === undefined || isText(fields.reason, 200)
    ? right(fields as unknown as OverrideRecord)
    : wrong('reason', 'must be a text of at most 200 characters')
}

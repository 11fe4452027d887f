/** The secret of a cluster by which cookies name instances, and its guard. */
import { brokenRule, guardShape, right, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule } from '../guard/guarded.js'

/**
 * `secrets/sessions`: made once by whichever controller comes first, and then the same for all
 * gateways. `key` is 64 hex digits.
 */
export interface SessionKeyRecord {
  key: string
}

const RULES: FieldRule[] = [
  ['key', (value) => /^[0-9a-f]{64}$/.test(String(value)), 'must be 64 hex digits'],
]

/** Says of a wrong key that it is wrong, and never what it is. */
export function guardSessionKey(value: unknown): Guarded<SessionKeyRecord> {
  const shape = guardShape(value, ['key'])
  if (!shape.ok) {
    return shape
  }
  const broken = brokenRule(shape.value, RULES, ['key'])
  return broken === undefined
    ? right({ key: String(shape.value.key) })
    : wrong(broken[0], broken[2])
}

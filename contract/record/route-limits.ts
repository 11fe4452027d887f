/** How long and how much a route lets a request take. */
import { guardShape, right, wrong } from '../guard/guarded.js'
import type { Guarded } from '../guard/guarded.js'
import { isWhole } from '../guard/names.js'

/** The upstream's longest silence, after which the client is answered 504. */
export interface Timeouts {
  readMs: number
}

/** nginx takes no time limit from a variable, so there is a location for each of these. */
export const READ_MS = [1000, 2000, 5000, 10000, 30000, 60000, 300000, 3600000]
const MOST_BYTES = 1099511627776

export function guardTimeouts(value: unknown): Guarded<Timeouts> {
  const shape = guardShape(value, ['readMs', 'connectMs', 'sendMs', 'idleMs'])
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  const fixed = ['connectMs', 'sendMs'].filter((field) => fields[field] !== undefined)[0]
  if (fixed !== undefined) {
    return wrong(fixed, 'cannot be set for a route: nginx takes it from no variable')
  }
  if (fields.idleMs !== undefined) {
    return wrong('idleMs', 'is for connections, so for routes by port or sni')
  }
  return READ_MS.indexOf(fields.readMs as number) >= 0
    ? right({ readMs: fields.readMs as number })
    : wrong('readMs', 'must be one of ' + READ_MS.join(', ') + ': nginx takes it from no variable')
}

export function guardMaxBodyBytes(value: unknown): Guarded<number> {
  return isWhole(value, 0, MOST_BYTES)
    ? right(value)
    : wrong('', 'must be a whole number from 0 to ' + MOST_BYTES)
}

export function guardBuffering(value: unknown): Guarded<boolean> {
  return typeof value === 'boolean' ? right(value) : wrong('', 'must be true or false')
}

/** hash and ipHash: the peer on a ring. */
import { RING_POSITIONS } from '../../../contract/table/rules.js'
import type { ListEntry } from '../../../contract/table/rules.js'
import { loadOf } from '../../memory/load.js'
import { isFree } from './choosing.js'
import type { Choosing } from './choosing.js'
import { hashNumber } from './hash-number.js'
import { entriesOnRing, position } from './list.js'

const WALKED = 64

/**
 * Bounded load (Mirrokni, Thorup, Zadimoghaddam): a peer that has its part of what is in flight
 * passes the key on.
 */
function isWithinBound(c: Choosing, entry: ListEntry): boolean {
  if (c.rules.loadPercent === 0) {
    return true
  }
  const all = loadOf(c.load, c.upstream) + 1
  const bound = Math.ceil(((c.rules.loadPercent / 100) * all * entry.weight) / c.rules.weights)
  return loadOf(c.load, entry.sid) < bound
}

function choose(c: Choosing): ListEntry | null {
  const start = position(hashNumber(c.request, c.rules.key), RING_POSITIONS)
  const first = entriesOnRing(c.table, c.upstream, start, 1)[0]
  if (first !== undefined && isFree(c, first) && isWithinBound(c, first)) {
    return first
  }
  const free = entriesOnRing(c.table, c.upstream, start, WALKED).filter((one) => isFree(c, one))
  return free.filter((one) => isWithinBound(c, one))[0] || free[0] || null
}

export function hashed(): typeof choose {
  return choose
}

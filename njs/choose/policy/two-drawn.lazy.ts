/**
 * randomTwo and leastTime: of two peers that are drawn, the one that costs less. `ofTwo` of
 * front/quick-pick.lazy.ts does the same where the rules name nothing else; a change here is one
 * there.
 */
import type { ListEntry } from '../../../contract/table/rules.js'
import { loadOf, meanTime } from '../../memory/load.js'
import { numberOf, isFree } from './choosing.js'
import type { Choosing } from './choosing.js'
import { nextNumber, entryAt, position } from './list.js'

const DRAWS = 8

/**
 * What is in flight for its weight; for leastTime, the time that a request is to wait behind it.
 */
function costOf(c: Choosing, entry: ListEntry): number {
  const conns = loadOf(c.load, entry.sid)
  return c.rules.balance === 't'
    ? conns / entry.weight
    : (Math.max(meanTime(c.load, entry.sid, c.nowMs), 0.1) * (conns + 1)) / entry.weight
}

/** Two different ones by weight, for the main list holds a peer as often as it weighs. */
function choose(c: Choosing): ListEntry | null {
  let number = numberOf(c)
  let first: ListEntry | null = null
  for (let nth = 0; nth < DRAWS; nth++) {
    const entry = entryAt(c.table, c.upstream, position(number, c.rules.count))
    if (entry !== null && isFree(c, entry)) {
      if (first === null) {
        first = entry
      } else if (first.sid !== entry.sid) {
        return costOf(c, entry) < costOf(c, first) ? entry : first
      }
    }
    number = nextNumber(number)
  }
  return first
}

export function twoDrawn(): typeof choose {
  return choose
}

/** Who is asked when the first choice is full: the next of the list, other zones, backups. */
import type { ListEntry } from '../../../contract/table/rules.js'
import { numberOf, isFree } from './choosing.js'
import type { Choosing } from './choosing.js'
import { nthNumber, entriesFrom, position } from './list.js'

export interface Overflow {
  free: typeof free
  spilled: typeof spilled
}

/** So many entries in a row are looked at for one that has room. */
const WALKED = 64

function free(c: Choosing, base: number, count: number, start: number): ListEntry | null {
  const entries = entriesFrom(c.table, c.upstream, base, count, start, WALKED)
  return entries.filter((entry) => isFree(c, entry))[0] || null
}

function spilled(c: Choosing): ListEntry | null {
  const rules = c.rules
  const zones = rules.spill - rules.backups
  const number = nthNumber(numberOf(c), 2)
  return (
    free(c, rules.count, zones, position(number, zones)) ||
    free(c, rules.count + zones, rules.backups, position(number, rules.backups))
  )
}

export function overflow(): Overflow {
  return { free: free, spilled: spilled }
}

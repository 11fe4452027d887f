/**
 * leastConn: the peer with the fewest requests in flight for its weight. `withFewest` of
 * front/quick-pick.lazy.ts does the same where the rules name nothing else; a change here is one
 * there.
 */
import {
  CHUNK_ENTRIES,
  ENTRY_LENGTH,
  PLAIN_ENTRY,
  parseEntry,
} from '../../../contract/table/rules.js'
import type { ListEntry } from '../../../contract/table/rules.js'
import { Width } from '../../../contract/table/table.js'
import { loadOf } from '../../memory/load.js'
import { numberOf, isFree } from './choosing.js'
import type { Choosing } from './choosing.js'
import { DRAWS } from '../../../contract/table/limits.js'
import { nextNumber, position } from './list.js'

/**
 * It looks at all of an upstream up to this size; of a larger one at so many in a row, from a
 * position that is drawn.
 */
const LOOKED_AT = 32

/**
 * Of those with the fewest one is drawn by weight, while they are walked through once: each that is
 * as good replaces the best so far with the probability of its weight among theirs. A peer that
 * warms up has little weight, and yet would be chosen whenever it has nothing in flight and all
 * others have something. So while one does, each peer counts a drawn part of a request more.
 *
 * An upstream's entries are read where they stand: to make an object of each would cost more than
 * to look at it.
 */
function choose(c: Choosing): ListEntry | null {
  const count = c.rules.count
  const isWarming = c.rules.balance === 's'
  let number = numberOf(c)
  let index = position(number, count)
  let loaded = -1
  let text = ''
  let best: ListEntry | null = null
  let least = Infinity
  let weights = 0
  for (let left = count < LOOKED_AT ? count : LOOKED_AT; left > 0; left--) {
    const chunk = Math.floor(index / CHUNK_ENTRIES)
    if (chunk !== loaded) {
      loaded = chunk
      text = c.table.get(c.upstream + '%' + chunk) || ''
    }
    const at = (index - chunk * CHUNK_ENTRIES) * ENTRY_LENGTH
    const sid = text.slice(at, at + Width.Sid)
    const limits = text.slice(at + Width.Sid, at + ENTRY_LENGTH)
    index = index + 1 === count ? 0 : index + 1
    number = nextNumber(number)
    if (limits === '') {
      continue
    }
    const weight = limits === PLAIN_ENTRY ? 1 : Number(limits.slice(0, 4))
    const cost = (loadOf(c.load, sid) + (isWarming ? number / DRAWS : 0)) / weight
    if (cost > least) {
      continue
    }
    const entry = parseEntry(text, at)
    if (!isFree(c, entry)) {
      continue
    }
    weights = cost < least ? weight : weights + weight
    if (cost < least || position(number, weights) < weight) {
      best = entry
      least = cost
    }
  }
  return best
}

export function leastConn(): typeof choose {
  return choose
}

/**
 * Chooses a peer by an upstream's rules, for the front and the hop. What only some balances
 * need stands in files of its own, which the build keeps apart (scripts/build.mjs).
 */
import type { ListEntry, Rules } from '../../../contract/table/rules.js'
import { nextInRound } from '../../memory/load.js'
import { numberOf, isFree } from './choosing.js'
import type { Choosing } from './choosing.js'
import { hashed } from './hashed.lazy.js'
import { leastConn } from './least-conn.lazy.js'
import { entryAt, position } from './list.js'
import { overflow } from './overflow.lazy.js'
import { twoDrawn } from './two-drawn.lazy.js'

/** Whether what is in flight to these peers is counted on the request's way. */
export function countsLoad(rules: Rules): boolean {
  return rules.capped || rules.loadPercent > 0 || 'ctls'.indexOf(rules.balance) >= 0
}

/**
 * Whether the front leaves all of it to the hop, which can look at an answer before it passes it
 * on, and knows whether a call over TLS may be tried again.
 */
export function isForHop(rules: Rules): boolean {
  return (
    rules.statuses > 0 || rules.nonIdempotent || (rules.protocol === 'grpc' && rules.tls !== '')
  )
}

function walk(c: Choosing, turn: number): ListEntry | null {
  const count = c.rules.count
  const start = turn < 0 ? position(numberOf(c), count) : turn % count
  const first = entryAt(c.table, c.upstream, start)
  return first !== null && isFree(c, first) ? first : overflow().free(c, 0, count, start)
}

function fromMain(c: Choosing): ListEntry | null {
  switch (c.rules.balance) {
    case 'r':
      return walk(c, nextInRound(c.load, c.upstream))
    case 'c':
    case 's':
      return leastConn()(c)
    case 't':
    case 'l':
      return twoDrawn()(c) || walk(c, -1)
    case 'h':
      return hashed()(c)
    case 'w':
    case 'n':
      return walk(c, -1)
  }
}

/** null when nobody is left who has room. */
export function chooseByRules(c: Choosing): ListEntry | null {
  if (c.session !== null && isFree(c, c.session)) {
    return c.session
  }
  const entry = c.rules.count === 0 ? null : fromMain(c)
  return entry === null && c.rules.spill > 0 ? overflow().spilled(c) : entry
}

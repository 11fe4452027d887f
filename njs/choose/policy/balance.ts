/**
 * Chooses a peer by an upstream's rules. The front and the hop both do; what was tried is told to it. What only some balances
 * need stands in files of its own, which the build keeps apart (scripts/build.mjs).
 */
import type { Entry, Rules } from '../../../contract/table/rules.js'
import { nextTurn } from '../../memory/load.js'
import { drawOf, isFree } from './choosing.js'
import type { Choosing } from './choosing.js'
import { hashed } from './hashed.js'
import { leastConn } from './least-conn.js'
import { entryAt, position } from './list.js'
import { others } from './others.js'
import { lesser } from './two-drawn.js'

/** Whether what is in flight to these peers is counted on the request's way. */
export function counts(rules: Rules): boolean {
  return rules.capped || rules.loadPercent > 0 || 'ctls'.indexOf(rules.balance) >= 0
}

/** Whether the front leaves all of it to the hop, which can look at an answer before it passes it on. */
export function isForHop(rules: Rules): boolean {
  return rules.statuses > 0 || rules.nonIdempotent || rules.tls !== '' || rules.protocol !== ''
}

function walk(c: Choosing, turn: number): Entry | null {
  const count = c.rules.count
  const start = turn < 0 ? position(drawOf(c), count) : turn % count
  const first = entryAt(c.table, c.upstream, start)
  return first !== null && isFree(c, first) ? first : others().free(c, 0, count, start)
}

function fromMain(c: Choosing): Entry | null {
  switch (c.rules.balance) {
    case 'r':
      return walk(c, nextTurn(c.load, c.upstream))
    case 'c':
    case 's':
      return leastConn()(c)
    case 't':
    case 'l':
      return lesser()(c) || walk(c, -1)
    case 'h':
      return hashed()(c)
    case 'w':
    case 'n':
      return walk(c, -1)
  }
}

/** null when nobody is left who has room. */
export function chooseByRules(c: Choosing): Entry | null {
  if (c.session !== null && isFree(c, c.session)) {
    return c.session
  }
  const entry = c.rules.count === 0 ? null : fromMain(c)
  return entry === null && c.rules.spill > 0 ? others().spilled(c) : entry
}

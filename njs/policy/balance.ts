/** Chooses a peer by an upstream's rules. The front and the hop both do; what was tried is told to it. */
import { RING_POSITIONS } from '../../contract/rules.js'
import type { Entry, Rules } from '../../contract/rules.js'
import { textOf } from '../../contract/text-source.js'
import { SHARES } from '../../contract/zones.js'
import type { Dict, NumberDict } from '../dict.js'
import { inFlight, meanTime, nextTurn } from '../load.js'
import type { Asked } from '../lookup.js'
import { DRAWN, drawn, drawnNext, entriesFrom, entriesOnRing, entryAt, position } from './list.js'

export interface Choosing {
  table: Dict
  load: NumberDict
  asked: Asked
  /** `:web` */
  upstream: string
  rules: Rules
  /** Of the instance that the client was with. */
  session: Entry | null
  /** What nginx drew: 0 to 49, and 0 to 999. */
  slot: number
  share: number
  /** SIDs that are left out, apart from each other by spaces. */
  tried: string
  nowMs: number
}

/** leastConn looks at all of an upstream up to this size; of a larger one at so many in a row, from a place that is drawn. */
const LOOKED_AT = 32
/** So many entries in a row are looked at for one that has room. */
const WALKED = 64
const DRAWS = 8

/** Whether what is in flight to these peers is counted on the request's way. */
export function counts(rules: Rules): boolean {
  return rules.capped || rules.loadPercent > 0 || 'ctls'.indexOf(rules.balance) >= 0
}

/** Whether the front leaves all of it to the hop, which can look at an answer before it passes it on. */
export function isForHop(rules: Rules): boolean {
  return rules.statuses > 0 || rules.nonIdempotent || rules.tls !== '' || rules.grpc
}

function isFree(c: Choosing, entry: Entry): boolean {
  return (
    c.tried.indexOf(entry.sid) < 0 &&
    (entry.maxConns === 0 || inFlight(c.load, entry.sid) < entry.maxConns)
  )
}

/** Bounded load (Mirrokni, Thorup, Zadimoghaddam): a peer that has its part of what is in flight passes the key on. */
function isWithinBound(c: Choosing, entry: Entry): boolean {
  if (c.rules.loadPercent === 0) {
    return true
  }
  const all = inFlight(c.load, c.upstream) + 1
  const bound = Math.ceil(((c.rules.loadPercent / 100) * all * entry.weight) / c.rules.weights)
  return inFlight(c.load, entry.sid) < bound
}

function walk(c: Choosing, start: number): Entry | null {
  const first = entryAt(c.table, c.upstream, start)
  if (first !== null && isFree(c, first)) {
    return first
  }
  const others = entriesFrom(c.table, c.upstream, 0, c.rules.count, start, WALKED)
  return others.filter((entry) => isFree(c, entry))[0] || null
}

/** Two different ones by weight, for the main list holds a peer as often as it weighs. */
function twoDrawn(c: Choosing): Entry[] {
  const found: Entry[] = []
  for (let nth = 0; nth < DRAWS && found.length < 2; nth++) {
    const at = position(drawn(c.slot, c.share, nth), c.rules.count)
    const entry = entryAt(c.table, c.upstream, at)
    const first = found[0]
    if (entry !== null && isFree(c, entry) && (first === undefined || first.sid !== entry.sid)) {
      found.push(entry)
    }
  }
  return found
}

function conns(c: Choosing, entry: Entry): number {
  return inFlight(c.load, entry.sid) / entry.weight
}

/** Time that a request is to wait behind what is in flight already. */
function waiting(c: Choosing, entry: Entry): number {
  const mean = meanTime(c.load, entry.sid, c.nowMs)
  return (Math.max(mean, 0.1) * (inFlight(c.load, entry.sid) + 1)) / entry.weight
}

function lesser(c: Choosing, cost: (c: Choosing, entry: Entry) => number): Entry | null {
  const found = twoDrawn(c)
  const one = found[0]
  const other = found[1]
  if (one === undefined || other === undefined) {
    return one || walk(c, drawnAt(c))
  }
  return cost(c, other) < cost(c, one) ? other : one
}

/** Of those with the fewest for their weight one is drawn by weight. */
function leastConn(c: Choosing): Entry | null {
  const start = position(drawn(c.slot, c.share, 0), c.rules.count)
  const seen = entriesFrom(c.table, c.upstream, 0, c.rules.count, start, LOOKED_AT)
  const free = seen.filter((entry) => isFree(c, entry))
  const loads = free.map((entry) => conns(c, entry))
  const least = Math.min.apply(null, loads)
  const equal = free.filter((entry, i) => loads[i] === least)
  const sum = equal.reduce((all, entry) => all + entry.weight, 0)
  let left = position(drawn(c.slot, c.share, 1), sum)
  for (let i = 0; i < equal.length; i++) {
    left -= (equal[i] as Entry).weight
    if (left < 0) {
      return equal[i] as Entry
    }
  }
  return null
}

/**
 * While somebody warms up. Its weight is small, and yet it would be asked whenever all others have something in flight and it
 * has nothing. So each has a part of a request more, which is drawn anew each time.
 */
function leastConnDrawn(c: Choosing): Entry | null {
  let draw = drawn(c.slot, c.share, 1)
  let best: Entry | null = null
  let least = Infinity
  entriesFrom(c.table, c.upstream, 0, c.rules.count, drawnAt(c), LOOKED_AT).forEach((entry) => {
    draw = drawnNext(draw)
    const cost = (inFlight(c.load, entry.sid) + draw / DRAWN) / entry.weight
    if (cost < least && isFree(c, entry)) {
      best = entry
      least = cost
    }
  })
  return best
}

/** nginx hashes the text: `split_clients` over `$sluice_hash` draws as `$sluice_slot` and `$sluice_share` do. */
function hashed(c: Choosing): Entry | null {
  const v = c.asked.variables
  v.sluice_hash = textOf(c.asked, c.rules.key)
  const draw = Number(v.sluice_hash_slot) * SHARES + Number(v.sluice_hash_share)
  const start = position(draw, RING_POSITIONS)
  const first = entriesOnRing(c.table, c.upstream, start, 1)[0]
  if (first !== undefined && isFree(c, first) && isWithinBound(c, first)) {
    return first
  }
  const free = entriesOnRing(c.table, c.upstream, start, WALKED).filter((one) => isFree(c, one))
  return free.filter((one) => isWithinBound(c, one))[0] || free[0] || null
}

function drawnAt(c: Choosing): number {
  return position(drawn(c.slot, c.share, 0), c.rules.count)
}

function inTurn(c: Choosing): number {
  const turn = nextTurn(c.load, c.upstream)
  return turn < 0 ? drawnAt(c) : turn % c.rules.count
}

function fromMain(c: Choosing): Entry | null {
  if (c.rules.count === 0) {
    return null
  }
  switch (c.rules.balance) {
    case 'r':
      return walk(c, inTurn(c))
    case 'c':
      return leastConn(c)
    case 's':
      return leastConnDrawn(c)
    case 't':
      return lesser(c, conns)
    case 'l':
      return lesser(c, waiting)
    case 'h':
      return hashed(c)
    case 'w':
    case 'n':
      return walk(c, drawnAt(c))
  }
}

function fromSpill(c: Choosing): Entry | null {
  const rules = c.rules
  if (rules.spill === 0) {
    return null
  }
  const others = rules.spill - rules.backups
  return spilled(c, rules.count, others) || spilled(c, rules.count + others, rules.backups)
}

function spilled(c: Choosing, base: number, count: number): Entry | null {
  const start = position(drawn(c.slot, c.share, 2), count)
  const entries = entriesFrom(c.table, c.upstream, base, count, start, WALKED)
  return entries.filter((entry) => isFree(c, entry))[0] || null
}

/** null when nobody is left who has room. */
export function chooseByRules(c: Choosing): Entry | null {
  if (c.session !== null && isFree(c, c.session)) {
    return c.session
  }
  return fromMain(c) || fromSpill(c)
}

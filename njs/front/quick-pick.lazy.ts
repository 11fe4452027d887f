/**
 * The pick by rules that name no more than a balance (no limits, sessions, budgets or trials), and
 * conditions, for pick-by-path.ts. Both read the table's text where it stands, because an object of
 * it costs as much as all the rest.
 */
import { CHUNK_ENTRIES, ENTRY_LENGTH, PLAIN_ENTRY } from '../../contract/table/rules.js'
import { unitIf } from '../table/unit-if.lazy.js'
import { indexOnRing } from './index-on-ring.lazy.js'
import { SlotMark } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { DRAWS, SHARES } from '../../contract/table/limits.js'
import { nextNumber } from '../choose/policy/list.js'
import type { Dict, NumberDict, Zones } from '../memory/dict.js'
import type { FrontRequest } from './request.js'

const TIMES = 8
/** More are looked at by the general pick, which takes a part of them. */
const MOST_COMPARED = 32

/** The SID and what follows it; '' where a change is just being written. */
function entryAt(table: Dict, upstream: string, index: number): string {
  const chunk = (index / CHUNK_ENTRIES) | 0
  const text = table.get(upstream + '%' + chunk)
  const at = (index - chunk * CHUNK_ENTRIES) * ENTRY_LENGTH
  return text === undefined ? '' : text.slice(at, at + ENTRY_LENGTH)
}

/** One of {@link DRAWS}. */
function numberOf(slot: string | undefined, share: string | undefined): number {
  return +(slot as string) * SHARES + +(share as string)
}

/** What is in flight to the entry at `at` of a chunk, for its weight. */
function costAt(load: NumberDict, chunk: string, at: number): number {
  const conns = load.get('c' + chunk.slice(at, at + Width.Sid)) || 0
  return conns === 0 ? 0 : conns / weightAt(chunk, at)
}

function weightAt(chunk: string, at: number): number {
  const from = at + Width.Sid
  return chunk.startsWith(PLAIN_ENTRY, from) ? 1 : +chunk.slice(from, from + 4)
}

/**
 * What choose/policy/two-drawn.lazy.ts does, without limits, tries and times. One loop for both was
 * tried: it costs these requests 2 % more.
 */
function ofTwo(r: FrontRequest, zones: Zones, upstream: string, count: number): string {
  const table = zones.sluice_table
  const load = zones.sluice_load
  let number = numberOf(r.variables.sluice_slot, r.variables.sluice_share)
  const first = entryAt(table, upstream, ((number * count) / DRAWS) | 0)
  for (let nth = 1; nth < TIMES; nth++) {
    number = nextNumber(number)
    const second = entryAt(table, upstream, ((number * count) / DRAWS) | 0)
    if (second !== first && second !== '') {
      return first === '' || costAt(load, second, 0) < costAt(load, first, 0) ? second : first
    }
  }
  return first
}

/**
 * What choose/policy/least-conn.lazy.ts does, without limits, tries and peers that warm up. Here,
 * too, one loop for both would cost 1.5 % more.
 */
function withFewest(r: FrontRequest, zones: Zones, upstream: string, count: number): string {
  const table = zones.sluice_table
  const load = zones.sluice_load
  let number = numberOf(r.variables.sluice_slot, r.variables.sluice_share)
  let index = ((number * count) / DRAWS) | 0
  let loaded = -1
  let chunk = ''
  let best = ''
  let least = Infinity
  let weights = 0
  for (let left = count; left > 0; left--) {
    const nth = (index / CHUNK_ENTRIES) | 0
    if (nth !== loaded) {
      loaded = nth
      chunk = table.get(upstream + '%' + nth) || ''
    }
    const at = (index - nth * CHUNK_ENTRIES) * ENTRY_LENGTH
    index = index + 1 === count ? 0 : index + 1
    number = nextNumber(number)
    const cost = costAt(load, chunk, at)
    if (cost > least) {
      continue
    }
    const weight = weightAt(chunk, at)
    weights = cost < least ? weight : weights + weight
    if (cost < least || number * weights < weight * DRAWS) {
      best = chunk.slice(at, at + Width.Sid)
      least = cost
    }
  }
  return best
}

function pick(r: FrontRequest, zones: Zones, upstream: string, rules: string): string {
  const equals = rules.indexOf('=')
  if (equals >= 0) {
    // The one thing that a hash names is its key.
    const isHash = rules > 'h' && rules < 'i' && rules.indexOf('=', equals + 1) < 0
    const index = isHash
      ? indexOnRing(r, zones.sluice_table, upstream, rules.slice(equals + 1))
      : -1
    return index >= 0 ? entryAt(zones.sluice_table, upstream, index).slice(0, Width.Sid) : ''
  }
  const count = parseInt(rules.slice(2), 10)
  if (!(count > 0)) {
    return ''
  }
  if (rules > 'r' && rules < 's') {
    const turn = zones.sluice_load.incr('i' + upstream, 1) - 1
    return entryAt(zones.sluice_table, upstream, turn % count).slice(0, Width.Sid)
  }
  const isOfTwo = rules > 't' && rules < 'u'
  if (!isOfTwo && (rules < 'c' || rules > 'd' || count > MOST_COMPARED)) {
    return ''
  }
  const entry = (isOfTwo ? ofTwo : withFewest)(r, zones, upstream, count)
  return entry === '' ? '' : SlotMark.Uncounted + entry.slice(0, Width.Sid)
}

/**
 * The SID, and `+` (SlotMark.Uncounted) before one that the caller counts as in flight; '' where
 * the rules ask for more, or a change is just being written.
 */
function pickByPlainRules(r: FrontRequest, zones: Zones, upstream: string): string {
  const record = zones.sluice_table.get(upstream)
  const at = record === undefined ? 0 : record.indexOf(' ', Width.Digest) + 1
  try {
    return record === undefined || at === 0 ? '' : pick(r, zones, upstream, record.slice(at))
  } catch (error) {
    // The zone is full: the general pick says what then.
    return ''
  }
}

export interface QuickPick {
  byPlainRules: typeof pickByPlainRules
  unitIf: typeof unitIf
}

export function quickPick(): QuickPick {
  return { byPlainRules: pickByPlainRules, unitIf: unitIf }
}

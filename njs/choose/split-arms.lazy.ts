/** Which upstream of a split a request is for. */
import { isMet } from '../../contract/table/route-condition.js'
import { armAt, armFor, parseSplit, upstreamsIn } from '../../contract/table/split-record.js'
import type { ForcedArm, StickRule, SplitRecord } from '../../contract/table/split-record.js'
import { Width } from '../../contract/table/table.js'
import { textOf } from '../../contract/table/text-of.js'
import type { Dict } from '../memory/dict.js'
import type { LookupRequest } from '../table/lookup-request.js'
import { rulesOf } from '../table/peers.js'
import { DRAWS, SHARES } from '../../contract/table/limits.js'
import { nthNumber } from './policy/list.js'
import { sessionEntry } from './policy/session.js'

export interface ChosenArm {
  /** `:web`; '' where nobody is up. */
  upstream: string
  /** To be given to the client, by which it keeps the arm; '' for none. */
  cookie: string
}

/** Policies draw by the numbers 0 to 2 after nginx's own. */
const NTH_DRAW = 3

function hasSession(table: Dict, request: LookupRequest, upstream: string): boolean {
  const rules = rulesOf(table, upstream)
  return rules !== null && sessionEntry(table, request, upstream, rules) !== null
}

/** The upstream that the client has a session in, `first` before all others; else `first`. */
function inSession(table: Dict, request: LookupRequest, split: string, first: string): string {
  const record = table.get(split)
  const upstreams = record === undefined ? [] : upstreamsIn(record.slice(Width.Digest))
  if (first !== '' && hasSession(table, request, first)) {
    return first
  }
  return upstreams.filter((one) => one !== first && hasSession(table, request, one))[0] || first
}

function isForced(arm: ForcedArm, request: LookupRequest): boolean {
  return arm.conditions.split('\t').every((condition) => isMet(condition, request.variables))
}

function armByStick(
  request: LookupRequest,
  split: SplitRecord,
  stick: StickRule,
): ChosenArm | null {
  const text = textOf(request, stick.source)
  if (text !== '' || stick.attributes === '') {
    return text === '' ? null : { upstream: armFor(split.arms, stick.seed, text), cookie: '' }
  }
  const name = request.variables.request_id as string
  const cookie = stick.source.slice('cookie:'.length) + '=' + name + stick.attributes
  return { upstream: armFor(split.arms, stick.seed, name), cookie: cookie }
}

/**
 * Of a split without slots. A condition that holds comes first, then a session, then what the
 * client is known by, then a draw. The request that is given a cookie already goes where the
 * cookie will lead.
 */
function armOf(
  table: Dict,
  request: LookupRequest,
  unit: string,
  slot: number,
  share: number,
): ChosenArm {
  const record = table.get(unit)
  const split = parseSplit(record === undefined ? '' : record.slice(Width.Digest))
  const forced = split.forced.filter((arm) => isForced(arm, request))[0]
  if (forced !== undefined) {
    return { upstream: forced.upstream, cookie: '' }
  }
  const session = split.arms.filter((arm) => hasSession(table, request, arm.upstream))[0]
  if (session !== undefined) {
    return { upstream: session.upstream, cookie: '' }
  }
  const stuck = split.stick === null ? null : armByStick(request, split, split.stick)
  const draw = nthNumber(slot * SHARES + share, NTH_DRAW) / DRAWS
  return stuck === null ? { upstream: armAt(split.arms, draw), cookie: '' } : stuck
}

export interface SplitArms {
  inSession: typeof inSession
  armOf: typeof armOf
}

export function splitArms(): SplitArms {
  return { inSession: inSession, armOf: armOf }
}

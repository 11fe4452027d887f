/**
 * Which peer of a unit is next, of those that were not tried. The hop and stream{} choose so; the
 * front only asks whose a SID is, and whether anybody is up.
 */
import { UnitKind } from '../../contract/table/mark.js'
import { parsePeer } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import { SHARES, SLOTS } from '../../contract/table/zones.js'
import type { Dict, NumberDict } from '../memory/dict.js'
import { splitArms } from './split-arm.lazy.js'
import type { ChosenArm } from './split-arm.lazy.js'
import { drawSid, readSlot } from '../table/lookup.js'
import type { LookupRequest } from '../table/lookup-request.js'
import { bucketsOf, findPeer, hasUp, rulesOf, upstreamsOf } from '../table/peers.js'
import { chooseByRules } from './policy/balance.js'
import { sessionEntry } from './policy/session.js'

/** What is read to choose. */
export interface ChoiceContext {
  table: Dict
  load: NumberDict
  request: LookupRequest
  nowMs: number
}

export interface PeerChoice {
  /** `:web` */
  upstream: string
  peer: PeerLine
  /** Of an upstream whose rules chose: they, and what they chose. */
  ruled?: { rules: Rules; entry: ListEntry }
}

export interface Draw {
  /** `:web` or `~canary`, as the route names it. */
  unit: string
  slot: string
  /** 0 to 999. */
  share: number
  /** What a split without slots chose. */
  arm?: ChosenArm
}

/**
 * What the slot says: a peer, or only which upstream's rules choose. Both '' when it says
 * nothing.
 */
export interface Preferred {
  upstream: string
  sid: string
}

/**
 * More than this are read only where nearly all of a huge upstream is down; a worker must not be
 * held for long.
 */
const MOST_BUCKETS = 64

function usable(table: Dict, upstream: string, sid: string, tried: string): PeerChoice | null {
  if (sid === '' || tried.indexOf(sid) >= 0) {
    return null
  }
  const peer = findPeer(table, upstream, sid)
  return peer !== null && peer.up ? { upstream: upstream, peer: peer } : null
}

/**
 * Slots are visited in the scattered order of a full-period generator: in plain order, all that a
 * dead peer leaves would go to the one whose slots come next.
 */
function fromSlots(table: Dict, upstream: string, share: number, tried: string): PeerChoice | null {
  let slot = share % SLOTS
  for (let i = 0; i < SLOTS; i++) {
    const found = readSlot(table, upstream, String(slot))
    const drawn = (share + i * 389) % SHARES
    const sid = found === undefined ? '' : drawSid(table, upstream + '/' + slot, found.value, drawn)
    const choice = usable(table, upstream, sid, tried)
    if (choice !== null) {
      return choice
    }
    slot = (slot * 21 + 17) % SLOTS
  }
  return null
}

/**
 * What `look` finds first in the upstream's lines of peers, bucket by bucket from a drawn one;
 * null when it finds nothing.
 */
function inBuckets<T>(
  table: Dict,
  upstream: string,
  share: number,
  look: (lines: string) => T | null,
): T | null {
  const buckets = bucketsOf(table, upstream)
  for (let i = 0; i < buckets && i < MOST_BUCKETS; i++) {
    const lines = table.get(upstream + '#' + ((share + i) % buckets))
    const found = lines === undefined || lines === '' ? null : look(lines)
    if (found !== null) {
      return found
    }
  }
  return null
}

/** Slots and lists may not show a peer of very little weight, or of a lower tier; its line does. */
function fromLines(
  table: Dict,
  upstream: string,
  share: number,
  tried: string,
  fits: (peer: PeerLine) => boolean,
): PeerChoice | null {
  return inBuckets(table, upstream, share, (lines) => {
    const fit = lines
      .split('\n')
      .map(parsePeer)
      .filter((peer) => fits(peer) && tried.indexOf(peer.sid) < 0)
    return fit.length > 0 ? { upstream: upstream, peer: fit[share % fit.length] as PeerLine } : null
  })
}

function isUp(peer: PeerLine): boolean {
  return peer.up
}

function isEjected(peer: PeerLine): boolean {
  return peer.ejected
}

/** Whoever stands in a list may serve: one that drains only stands there for its sessions. */
function fromRules(
  context: ChoiceContext,
  upstream: string,
  rules: Rules,
  draw: Draw,
  tried: string,
): PeerChoice | null {
  const entry = chooseByRules({
    table: context.table,
    load: context.load,
    request: context.request,
    upstream: upstream,
    rules: rules,
    session: sessionEntry(context.table, context.request, upstream, rules),
    draw: Number(draw.slot) * SHARES + draw.share,
    tried: tried,
    nowMs: context.nowMs,
  })
  const peer = entry === null ? null : findPeer(context.table, upstream, entry.sid)
  return entry === null || peer === null
    ? null
    : { upstream: upstream, peer: peer, ruled: { rules: rules, entry: entry } }
}

function fromUpstream(
  context: ChoiceContext,
  upstream: string,
  draw: Draw,
  tried: string,
): PeerChoice | null {
  const table = context.table
  const rules = rulesOf(table, upstream)
  if (rules !== null && rules.balance !== 'n') {
    const choice = fromRules(context, upstream, rules, draw, tried)
    return choice !== null || rules.capped
      ? choice
      : fromLines(table, upstream, draw.share, tried, isUp)
  }
  return (
    fromSlots(table, upstream, draw.share, tried) ||
    fromLines(table, upstream, draw.share, tried, isUp)
  )
}

/**
 * Whether anybody of the unit is up beyond `tried`. Says nothing about who would be next, and
 * takes no turn.
 */
export function isAnotherUp(table: Dict, draw: Draw, tried: string): boolean {
  return upstreamsOf(table, draw.unit).some((upstream) => {
    const isUpIn = (lines: string): true | null => (hasUp(lines, tried) ? true : null)
    return inBuckets(table, upstream, draw.share, isUpIn) !== null
  })
}

/** The upstream that the split chose; '' where its slots say. */
function armIn(draw: Draw): string {
  return draw.arm === undefined ? '' : draw.arm.upstream
}

/** Whose slots are drawn from. */
function drawnUnit(draw: Draw): string {
  return armIn(draw) || draw.unit
}

/** What the request's slot draws. */
export function drawPreferred(context: ChoiceContext, draw: Draw): Preferred {
  const table = context.table
  const slot = readSlot(table, drawnUnit(draw), draw.slot)
  if (slot === undefined) {
    return { upstream: '', sid: '' }
  }
  const sid = drawSid(table, drawnUnit(draw) + '/' + draw.slot, slot.value, draw.share)
  if (!slot.ruled) {
    return { upstream: '', sid: sid }
  }
  const known = whoIs(table, draw.unit, sid)
  const drawn = known === null ? '' : known.upstream
  return { upstream: splitArms().inSession(table, context.request, draw.unit, drawn), sid: '' }
}

/** The upstream of the unit that has this SID, and its line, whether it is up or not. */
export function whoIs(table: Dict, unit: string, sid: string): PeerChoice | null {
  const upstreams = sid === '' ? [] : upstreamsOf(table, unit)
  for (let i = 0; i < upstreams.length; i++) {
    const peer = findPeer(table, upstreams[i] as string, sid)
    if (peer !== null) {
      return { upstream: upstreams[i] as string, peer: peer }
    }
  }
  return null
}

/** The same; of two upstreams that both have it, the one that the split chose. */
export function whoIsIn(table: Dict, draw: Draw, sid: string): PeerChoice | null {
  const arm = armIn(draw)
  return (arm === '' ? null : whoIs(table, arm, sid)) || whoIs(table, draw.unit, sid)
}

/** `<number><sid>` of a peer that this request may try; '' for none. */
export function trialOf(context: ChoiceContext, draw: Draw): string {
  const slot = readSlot(context.table, drawnUnit(draw), draw.slot)
  if (slot !== undefined && !slot.ruled) {
    return slot.trial
  }
  const upstream = slot === undefined ? drawnUnit(draw) : drawPreferred(context, draw).upstream
  const rules = upstream.charAt(0) === UnitKind.Upstream ? rulesOf(context.table, upstream) : null
  return rules === null ? '' : rules.trial
}

/**
 * The next peer: the one that is wished for if it is up and was not tried, then others of the
 * same upstream by its policy, and only then those of the other upstreams of a split. Those that
 * were ejected are asked only where nobody else is up: who is full will have room again. `tried`
 * holds SIDs, apart from each other by spaces. null when none is left.
 */
export function choose(
  context: ChoiceContext,
  draw: Draw,
  wish: Preferred,
  tried: string,
): PeerChoice | null {
  const first = whoIsIn(context.table, draw, wish.sid)
  if (first !== null && first.peer.up && tried.indexOf(wish.sid) < 0) {
    return first
  }
  const own = first === null ? wish.upstream || armIn(draw) : first.upstream
  const others = upstreamsOf(context.table, draw.unit).filter((upstream) => upstream !== own)
  const order = own === '' ? others : [own].concat(others)
  for (let i = 0; i < order.length; i++) {
    const choice = fromUpstream(context, order[i] as string, draw, tried)
    if (choice !== null) {
      return choice
    }
  }
  return isAnotherUp(context.table, draw, tried)
    ? null
    : fromEjected(context.table, order, draw, tried)
}

function fromEjected(table: Dict, order: string[], draw: Draw, tried: string): PeerChoice | null {
  for (let i = 0; i < order.length; i++) {
    const choice = fromLines(table, order[i] as string, draw.share, tried, isEjected)
    if (choice !== null) {
      return choice
    }
  }
  return null
}

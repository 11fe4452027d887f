/**
 * Which peer of a unit is next, of those that were not tried. The hop and stream{} choose so; the
 * front only asks whose a SID is, and whether anybody is up.
 */
import { UnitKind } from '../../contract/table/mark.js'
import type { PeerLine } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'
import { drawSid, readSlot } from '../table/lookup.js'
import { findPeer, hasUp, rulesOf, upstreamsOf } from '../table/peers.js'
import type { ChoiceContext, PeerChoice, Preferred } from './choice-types.js'
import type { Draw } from './draw.js'
import { fromLines, fromUpstream, inBuckets } from './in-upstream.js'
import { splitArms } from './split-arms.lazy.js'

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
function unitOfSlots(draw: Draw): string {
  return armIn(draw) || draw.unit
}

/** What the request's slot draws. */
export function drawPreferred(context: ChoiceContext, draw: Draw): Preferred {
  const table = context.table
  const slot = readSlot(table, unitOfSlots(draw), draw.slot)
  if (slot === undefined) {
    return { upstream: '', sid: '' }
  }
  const sid = drawSid(table, unitOfSlots(draw) + '/' + draw.slot, slot.value, draw.share)
  if (!slot.ruled) {
    return { upstream: '', sid: sid }
  }
  const known = whoIs(table, draw.unit, sid)
  const first = known === null ? '' : known.upstream
  return { upstream: splitArms().inSession(table, context.request, draw.unit, first), sid: '' }
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
  const slot = readSlot(context.table, unitOfSlots(draw), draw.slot)
  if (slot !== undefined && !slot.ruled) {
    return slot.trial
  }
  const upstream = slot === undefined ? unitOfSlots(draw) : drawPreferred(context, draw).upstream
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

function isEjected(peer: PeerLine): boolean {
  return peer.ejected
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

/** Which peer of one upstream is next, of those that were not tried. */
import type { Rules } from '../../contract/table/rules.js'
import { parsePeer } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import { SHARES, SLOTS } from '../../contract/table/limits.js'
import type { Dict } from '../memory/dict.js'
import { drawSid, readSlot } from '../table/lookup.js'
import { bucketsOf, findPeer, rulesOf } from '../table/peers.js'
import type { ChoiceContext, PeerChoice } from './choice-types.js'
import type { Draw } from './draw.js'
import { chooseByRules } from './policy/balance.js'
import { sessionEntry } from './policy/session.js'

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
 * dead peer leaves would go to the one whose slots come next. The share moves on too, by a number
 * that has no divisor in common with SHARES.
 */
function fromSlots(table: Dict, upstream: string, share: number, tried: string): PeerChoice | null {
  let slot = share % SLOTS
  for (let i = 0; i < SLOTS; i++) {
    const found = readSlot(table, upstream, String(slot))
    const at = (share + i * 389) % SHARES
    const sid = found === undefined ? '' : drawSid(table, upstream + '/' + slot, found.value, at)
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
export function inBuckets<T>(
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
export function fromLines(
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
    number: Number(draw.slot) * SHARES + draw.share,
    tried: tried,
    nowMs: context.nowMs,
  })
  const peer = entry === null ? null : findPeer(context.table, upstream, entry.sid)
  return entry === null || peer === null
    ? null
    : { upstream: upstream, peer: peer, ruled: { rules: rules, entry: entry } }
}

/** A peer of the upstream that is up and was not tried, by its policy; null when none is. */
export function fromUpstream(
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

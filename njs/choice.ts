/** Which peer the hop tries next. It reads the table only; what was tried is told to it. */
import { parsePeer } from '../contract/table.js'
import type { PeerLine } from '../contract/table.js'
import { SHARES, SLOTS } from '../contract/zones.js'
import type { Dict } from './dict.js'
import { drawSid } from './lookup.js'
import { bucketsOf, findPeer, upstreamsOf } from './peers.js'

export interface Choice {
  /** `:web` */
  upstream: string
  peer: PeerLine
}

export interface Draw {
  /** `:web` or `~canary`, as the route names it. */
  unit: string
  slot: string
  /** 0 to 999. */
  share: number
}

/** More than this are read only where nearly all of a huge upstream is down; a worker must not be held for long. */
const MOST_BUCKETS = 64

function usable(table: Dict, upstream: string, sid: string, tried: string): Choice | null {
  if (sid === '' || tried.indexOf(sid) >= 0) {
    return null
  }
  const peer = findPeer(table, upstream, sid)
  return peer !== null && peer.up ? { upstream: upstream, peer: peer } : null
}

/**
 * Slots are visited in the scattered order of a full-period generator: in plain order, all that a dead peer leaves would
 * go to the one whose slots come next.
 */
function fromSlots(table: Dict, upstream: string, share: number, tried: string): Choice | null {
  let slot = share % SLOTS
  for (let i = 0; i < SLOTS; i++) {
    const key = upstream + '/' + slot
    const value = table.get(key)
    const drawn = (share + i * 389) % SHARES
    const sid = value === undefined ? '' : drawSid(table, key, value, drawn)
    const choice = usable(table, upstream, sid, tried)
    if (choice !== null) {
      return choice
    }
    slot = (slot * 21 + 17) % SLOTS
  }
  return null
}

/** Slots may not show a peer of very little weight; its line does. */
function fromLines(table: Dict, upstream: string, share: number, tried: string): Choice | null {
  const buckets = bucketsOf(table, upstream)
  for (let i = 0; i < buckets && i < MOST_BUCKETS; i++) {
    const lines = table.get(upstream + '#' + ((share + i) % buckets))
    const fit = (lines === undefined || lines === '' ? [] : lines.split('\n'))
      .map(parsePeer)
      .filter((peer) => peer.up && tried.indexOf(peer.sid) < 0)
    if (fit.length > 0) {
      return { upstream: upstream, peer: fit[share % fit.length] as PeerLine }
    }
  }
  return null
}

/** The SID that the request's slot draws; '' when nothing of the unit is up. */
export function drawFirst(table: Dict, draw: Draw): string {
  const key = draw.unit + '/' + draw.slot
  const value = table.get(key)
  return value === undefined ? '' : drawSid(table, key, value, draw.share)
}

/** The upstream of the unit that has this SID, and its line, whether it is up or not. */
export function whoIs(table: Dict, unit: string, sid: string): Choice | null {
  const upstreams = sid === '' ? [] : upstreamsOf(table, unit)
  for (let i = 0; i < upstreams.length; i++) {
    const peer = findPeer(table, upstreams[i] as string, sid)
    if (peer !== null) {
      return { upstream: upstreams[i] as string, peer: peer }
    }
  }
  return null
}

/**
 * The next peer: `wanted` if it is up and was not tried, then others of the same upstream by their weights, and only then
 * those of the other upstreams of a split. `tried` holds SIDs, apart from each other by spaces. null when none is left.
 */
export function choose(table: Dict, draw: Draw, wanted: string, tried: string): Choice | null {
  const first = whoIs(table, draw.unit, wanted)
  if (first !== null && first.peer.up && tried.indexOf(wanted) < 0) {
    return first
  }
  const own = first === null ? '' : first.upstream
  const others = upstreamsOf(table, draw.unit).filter((upstream) => upstream !== own)
  const order = own === '' ? others : [own].concat(others)
  for (let i = 0; i < order.length; i++) {
    const upstream = order[i] as string
    const choice =
      fromSlots(table, upstream, draw.share, tried) || fromLines(table, upstream, draw.share, tried)
    if (choice !== null) {
      return choice
    }
  }
  return null
}

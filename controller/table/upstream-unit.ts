/** Upstreams, splits and hosts → the units of the table (contract/table/table.ts). Pure: the same input gives the same bytes. */
import { printAddress } from '../../contract/guard/address.js'
import { isSelected } from '../../contract/guard/metadata.js'
import type { Where } from '../../contract/guard/metadata.js'
import { DEFAULT_POLICY } from '../../contract/record/policy.js'
import { printRules } from '../../contract/table/rules.js'
import { peerBucket, printPeer, printSlot } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import { BUCKET_PEERS, SLOTS } from '../../contract/table/zones.js'
import type { InstanceConditions } from '../state/conditions.js'
import type { DesiredUpstream } from '../state/desired.js'
import { peersOf } from './peers.js'
import type { Peer } from './peers.js'
import { ruledOf, tokensOf } from './upstream-rules.js'
import type { Ruled } from './upstream-rules.js'
import { layOut } from './slots.js'
import type { Layout } from './slots.js'
import { unitOf } from './subset.js'
import type { UpstreamSubset } from './subset.js'
import { tiersOf } from './tiers.js'
import type { Tiers } from './tiers.js'
import { makeUnit, NO_LAYOUT } from './unit.js'
import type { Unit } from './unit.js'

/** An upstream, or some of its instances, before it is known which of its peers the pool has. */
export interface Compiled {
  name: string
  /** Sorted by SID. */
  peers: Peer[]
  tiers: Tiers
  /** Its slots; empty when rules choose, and when nobody is up. */
  layout: Layout
  ruled: Ruled | undefined
  tokenFor: (peer: Peer) => string
}

/** What one gateway's table depends on beside the registry. */
export interface GatewayPlace {
  cluster: string
  /** The gateway's zone; undefined: all zones are alike. */
  zone: string | undefined
}

const ANYWHERE: GatewayPlace = { cluster: 'main', zone: undefined }

/** Whether an upstream has rules that choose, in place of slots. */
export function chooses({ ruled }: Compiled): boolean {
  return ruled !== undefined && ruled.rules.balance !== 'n'
}

interface Marks {
  /** Whether the slots name an upstream whose rules choose. */
  ruled: boolean
  /** Peers that one request each is to try. */
  trials: Peer[]
}

/** A trial takes one slot, which its SID says; further ones the next that is free, and none above as many as there are slots. */
function trialSlots(trials: Peer[]): Map<string, Peer> {
  const slots = new Map<string, Peer>()
  for (const peer of trials.slice(0, SLOTS)) {
    let slot = parseInt(peer.sid.slice(0, 6), 16) % SLOTS
    while (slots.has(`/${slot}`)) {
      slot = (slot + 1) % SLOTS
    }
    slots.set(`/${slot}`, peer)
  }
  return slots
}

export function markSlots(layout: Layout, { ruled, trials }: Marks): Layout {
  if (!ruled && trials.length === 0) {
    return layout
  }
  const tried = trialSlots(trials)
  const isCell = (key: string) => key.lastIndexOf('/') > 0
  const marked = [...layout].map(([key, value]): [string, string] => {
    const peer = tried.get(key)
    const trial = peer === undefined ? '' : `${peer.trial}${peer.sid}`
    return [key, isCell(key) ? value : printSlot({ trial, ruled, value })]
  })
  return new Map(marked)
}

export function trialsOf(compiled: { peers: Peer[] }): Peer[] {
  return compiled.peers.filter(({ trial }) => trial > 0)
}

export function compilePeers(
  upstream: DesiredUpstream,
  place: GatewayPlace = ANYWHERE,
  conditions?: InstanceConditions,
  where?: Where,
): Compiled {
  const { name, policy, instances } = upstream
  const all = peersOf(upstream, conditions)
  const fits = ({ id }: Peer) => isSelected(instances.get(id)?.record.metadata, where ?? {})
  const peers = where === undefined ? all : all.filter(fits)
  const tiers = tiersOf(peers, policy, place.zone)
  const tokenFor = tokensOf(policy, place.cluster, name)
  const ruled = ruledOf(upstream, peers, tiers, tokenFor)
  const unit = unitOf({ upstream: name, ...(where && { where }) })
  const compiled = { name: unit, peers, tiers, layout: NO_LAYOUT, ruled, tokenFor }
  if (chooses(compiled)) {
    return compiled
  }
  const marks = { ruled: false, trials: trialsOf(compiled) }
  return { ...compiled, layout: markSlots(layOut(tiers.main), marks) }
}

/** Of an upstream that is only named. */
export function compileNobody({ upstream: name, where }: UpstreamSubset): Compiled {
  const empty = { name, policy: DEFAULT_POLICY, revision: 0, instances: new Map() }
  return compilePeers(empty, ANYWHERE, undefined, where)
}

/** A power of two, so that it seldom changes and that one bucket splits into two when it does. */
function bucketCount(peers: number): number {
  let buckets = 1
  while (buckets * BUCKET_PEERS < peers) {
    buckets *= 2
  }
  return buckets
}

function lineOf(peer: Peer, pooled: ReadonlySet<string>, token: string): string {
  const line: PeerLine = {
    sid: peer.sid,
    address: printAddress(peer.host, peer.port),
    id: peer.id,
    up: peer.up,
    ejected: peer.ejected && !peer.up,
    pooled: pooled.has(peer.sid),
    token,
  }
  return printPeer(line)
}

/** `pooled` holds the SIDs that nginx's pool surely has. */
export function compileUpstream(compiled: Compiled, pooled: ReadonlySet<string>): Unit {
  const { name, peers, layout, ruled, tokenFor } = compiled
  const buckets = bucketCount(peers.length)
  const lines = new Map<number, string[]>()
  for (const peer of peers) {
    const bucket = peerBucket(peer.sid, buckets)
    lines.set(bucket, [...(lines.get(bucket) ?? []), lineOf(peer, pooled, tokenFor(peer))])
  }
  const below = [...layout, ...(ruled?.entries ?? [])]
  const entries = new Map(below.map(([key, value]) => [name + key, value]))
  lines.forEach((list, bucket) => entries.set(`${name}#${bucket}`, list.join('\n')))
  const rules = ruled === undefined ? '' : ` ${printRules(ruled.rules)}`
  return makeUnit(name, `${buckets}${rules}`, entries)
}

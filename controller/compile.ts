/** Upstreams, splits and hosts → the units of the table (contract/table.ts). Pure: the same input gives the same bytes. */
import { createHash } from 'node:crypto'
import { printAddress } from '../contract/address.js'
import { isSelected } from '../contract/metadata.js'
import type { Where } from '../contract/metadata.js'
import { printActionRecord } from '../contract/route-action.js'
import type { ActionRecord } from '../contract/route-action.js'
import { DEFAULT_POLICY } from '../contract/policy.js'
import { printRules } from '../contract/rules.js'
import { cellsOf, peerBucket, printPeer, printSlot } from '../contract/table.js'
import type { PeerLine } from '../contract/table.js'
import { BUCKET_PEERS, PASSED_NAME, SLOTS } from '../contract/zones.js'
import type { Certificate } from './certificate.js'
import type { Conditions } from './conditions.js'
import type { DesiredUpstream } from './desired.js'
import { peersOf } from './peers.js'
import type { Peer } from './peers.js'
import { ruledOf, tokensOf } from './rules.js'
import type { Ruled } from './rules.js'
import { layOut } from './slots.js'
import type { Layout } from './slots.js'
import { unitOf } from './subset.js'
import type { Part } from './subset.js'
import { tiersOf } from './tiers.js'
import type { Tiers } from './tiers.js'

export { sidOf } from './peers.js'

/** What is written and removed as one. Its record stands under its name, all else below it. */
export interface Unit {
  name: string
  entries: ReadonlyMap<string, string>
}

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
export interface Place {
  cluster: string
  /** The gateway's zone; undefined: all zones are alike. */
  zone: string | undefined
}

export const NO_LAYOUT: Layout = new Map()
const ANYWHERE: Place = { cluster: 'main', zone: undefined }

/** 8 hex digits of all entries, in order of their keys. */
function digest(record: string, entries: Map<string, string>): string {
  const hash = createHash('sha256').update(record)
  for (const key of [...entries.keys()].sort()) {
    hash.update(`\n${key}\n${entries.get(key)}`)
  }
  return hash.digest('hex').slice(0, 8)
}

/** Adds the record, with its digest, to the entries below it. */
export function makeUnit(name: string, record: string, entries: Map<string, string>): Unit {
  return { name, entries: entries.set(name, `${digest(record, entries)} ${record}`) }
}

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
  place: Place = ANYWHERE,
  conditions?: Conditions,
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
export function compileNobody({ upstream: name, where }: Part): Compiled {
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
    spare: peer.spare && !peer.up,
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

/** nginx skips the line before the first PEM, so that the digest may stand there and nobody has to cut it off. */
export function compileCertificate(name: string, { record }: Certificate): Unit {
  return makeUnit(`^${name}`, `\n${record.certificate}${record.privateKey}`, new Map())
}

/** That TLS of a name is passed through, for `http{}`, which cannot do so with HTTP/3. */
export function compilePassed(name: string): Unit {
  return makeUnit(`@${PASSED_NAME}${name}`, '', new Map())
}

export function compileAction(name: string, record: ActionRecord): Unit {
  return makeUnit(name, printActionRecord(record), new Map())
}

/** The slots of a unit, without its name; empty when a copy for each host would cost a key for each cell. */
export function slotsOf(unit: Unit): Layout {
  const slots = new Map<string, string>()
  for (let i = 0; i < SLOTS; i++) {
    const value = unit.entries.get(`${unit.name}/${i}`)
    if (value !== undefined && cellsOf(value) > 0) {
      return NO_LAYOUT
    }
    if (value !== undefined) {
      slots.set(`/${i}`, value)
    }
  }
  return slots
}

/** By its entries, and not by the digest alone: 32 bits do not rule out that a change is lost. */
export function isSameUnit(a: Unit | undefined, b: Unit): boolean {
  if (a?.entries.size !== b.entries.size) {
    return false
  }
  for (const [key, value] of b.entries) {
    if (a.entries.get(key) !== value) {
      return false
    }
  }
  return true
}

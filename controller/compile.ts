/** Upstreams, splits and hosts → the units of the table (contract/table.ts). Pure: the same input gives the same bytes. */
import { createHash } from 'node:crypto'
import { printAddress } from '../contract/address.js'
import { peerBucket, printPeer } from '../contract/table.js'
import type { PeerLine } from '../contract/table.js'
import { BUCKET_PEERS } from '../contract/zones.js'
import type { Conditions } from './conditions.js'
import { stateOf } from './desired.js'
import type { DesiredInstance, DesiredUpstream } from './desired.js'
import { layOut } from './slots.js'
import type { Layout, Weighted } from './slots.js'

/** What is written and removed as one. Its record stands under its name, all else below it. */
export interface Unit {
  name: string
  entries: ReadonlyMap<string, string>
}

/** One address of an upstream. */
export interface Peer {
  sid: string
  host: string
  port: number
  /** The instance it is shown as. */
  id: string
  weight: number
  up: boolean
  /** Nobody there says that it could still serve, not even what it has. */
  down: boolean
}

/** An upstream's peers and slots, before it is known which of them the pool has. */
export interface Compiled {
  name: string
  /** Sorted by SID. */
  peers: Peer[]
  layout: Layout
}

/** What the table and nginx's pool call an address: md5 in hex of `10.0.0.7:80`. */
export function sidOf(host: string, port: number): string {
  return createHash('md5').update(printAddress(host, port)).digest('hex')
}

/** 8 hex digits of all entries, in order of their keys. */
function digest(record: string, entries: Map<string, string>): string {
  const hash = createHash('sha256').update(record)
  for (const key of [...entries.keys()].sort()) {
    hash.update(`\n${key}\n${entries.get(key)}`)
  }
  return hash.digest('hex').slice(0, 8)
}

function unit(name: string, record: string, entries: Map<string, string>): Unit {
  return { name, entries: entries.set(name, `${digest(record, entries)} ${record}`) }
}

/**
 * Several instances of one upstream at one address are one process that registered more than once (an agent and an
 * operator, an old container's record and the new one's). So it is one peer: with the largest weight, not the sum,
 * which would double its load; up if any of them is, because the newest registration is the true one; but not at all while
 * an operator drains one of them, because then nothing may reach that address.
 */
function merge(sid: string, instances: DesiredInstance[], conditions?: Conditions): Peer {
  const isUp = (instance: DesiredInstance) =>
    stateOf(instance, conditions?.get(instance.id)).state === 'up'
  const sorted = [...instances].sort((a, b) => (a.id < b.id ? -1 : 1))
  const shown = sorted.find(isUp) ?? sorted[0]
  if (shown === undefined) {
    throw new Error('a peer has at least one instance')
  }
  const counted = sorted.filter((instance) => isUp(instance) || !sorted.some(isUp))
  return {
    sid,
    host: shown.record.host,
    port: shown.record.port,
    id: shown.id,
    weight: Math.max(...counted.map((instance) => instance.record.weight)),
    up: isUp(shown) && instances.every((instance) => instance.override === undefined),
    down: instances.every((instance) => stateOf(instance).state === 'down'),
  }
}

/** One for each address, sorted by SID. */
export function peersOf(upstream: DesiredUpstream, conditions?: Conditions): Peer[] {
  const bySid = new Map<string, DesiredInstance[]>()
  for (const instance of upstream.instances.values()) {
    const sid = sidOf(instance.record.host, instance.record.port)
    const same = bySid.get(sid)
    if (same === undefined) {
      bySid.set(sid, [instance])
    } else {
      same.push(instance)
    }
  }
  const peers = [...bySid].map(([sid, instances]) => merge(sid, instances, conditions))
  return peers.sort((a, b) => (a.sid < b.sid ? -1 : 1))
}

export function compilePeers(upstream: DesiredUpstream, conditions?: Conditions): Compiled {
  const peers = peersOf(upstream, conditions)
  return { name: `:${upstream.name}`, peers, layout: layOut(peers.filter((peer) => peer.up)) }
}

/** A power of two, so that it seldom changes and that one bucket splits into two when it does. */
function bucketCount(peers: number): number {
  let buckets = 1
  while (buckets * BUCKET_PEERS < peers) {
    buckets *= 2
  }
  return buckets
}

function lineOf(peer: Peer, pooled: ReadonlySet<string>): string {
  const line: PeerLine = {
    sid: peer.sid,
    address: printAddress(peer.host, peer.port),
    id: peer.id,
    up: peer.up,
    pooled: pooled.has(peer.sid),
    token: '',
  }
  return printPeer(line)
}

/** `pooled` holds the SIDs that nginx's pool surely has. */
export function compileUpstream(compiled: Compiled, pooled: ReadonlySet<string>): Unit {
  const { name, peers, layout } = compiled
  const buckets = bucketCount(peers.length)
  const lines = new Map<number, string[]>()
  for (const peer of peers) {
    const bucket = peerBucket(peer.sid, buckets)
    lines.set(bucket, [...(lines.get(bucket) ?? []), lineOf(peer, pooled)])
  }
  const entries = new Map([...layout].map(([key, value]) => [name + key, value]))
  lines.forEach((list, bucket) => entries.set(`${name}#${bucket}`, list.join('\n')))
  return unit(name, String(buckets), entries)
}

/**
 * Each arm's peers, by the arm's weight. An arm without a peer that is up leaves its part to the others: a request is
 * better served by the other version than by none.
 */
export function compileSplit(
  name: string,
  arms: Array<{ weight: number; compiled: Compiled }>,
): Unit {
  const weights = new Map<string, number>()
  const sorted = [...arms].sort(
    (a, b) => (a.compiled.name < b.compiled.name ? -1 : 1) || a.weight - b.weight,
  )
  for (const { weight, compiled } of sorted) {
    const up = compiled.peers.filter((peer) => peer.up)
    const sum = up.reduce((total, peer) => total + peer.weight, 0)
    for (const peer of up) {
      weights.set(peer.sid, (weights.get(peer.sid) ?? 0) + (weight * peer.weight) / sum)
    }
  }
  const mixed: Weighted[] = [...weights].map(([sid, weight]) => ({ sid, weight }))
  const names = [...new Set(sorted.map((arm) => arm.compiled.name))]
  const entries = new Map([...layOut(mixed)].map(([key, value]) => [name + key, value]))
  return unit(name, names.join(' '), entries)
}

/** `routes`: longest prefix first, with the units they lead to. `slots`: those of its one target, when it is to have its own. */
export function compileHost(
  host: string,
  routes: Array<{ prefix: string; target: string }>,
  slots: Layout,
): Unit {
  const name = `@${host}`
  const entries = new Map([...slots].map(([key, value]) => [name + key, value]))
  return unit(name, routes.map((route) => `${route.prefix} ${route.target}`).join('\n'), entries)
}

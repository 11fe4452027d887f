/** Compiled upstreams → their units of the table (contract/table/table.ts). Pure. */
import { printAddress } from '../../contract/guard/address.js'
import { printRules } from '../../contract/table/rules.js'
import { peerBucket, printPeer } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import { BUCKET_PEERS } from '../../contract/table/limits.js'
import type { CompiledUpstream } from './compiled-upstream.js'
import { isReachedKept, keptSlots } from './kept-slots.js'
import type { Peer } from './peers.js'
import { makeUnit } from './unit.js'
import type { Unit } from './unit.js'

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
    seat: '',
    token,
  }
  return printPeer(line)
}

/**
 * `pooled` holds the SIDs that nginx surely has: in its pool, or in its kept pool in the way of
 * this upstream.
 */
export function unitOfUpstream(compiled: CompiledUpstream, pooled: ReadonlySet<string>): Unit {
  const { name, peers, layout, drawn, ruled, tokenFor } = compiled
  const buckets = bucketCount(peers.length)
  const lines = new Map<number, string[]>()
  for (const peer of peers) {
    const bucket = peerBucket(peer.sid, buckets)
    lines.set(bucket, [...(lines.get(bucket) ?? []), lineOf(peer, pooled, tokenFor(peer))])
  }
  const kept = ruled === undefined ? layout : keptSlots(drawn, ruled.rules, pooled)
  const below = [...layout, ...kept, ...(ruled?.entries ?? [])]
  const entries = new Map(below.map(([key, value]) => [name + key, value]))
  lines.forEach((list, bucket) => entries.set(`${name}#${bucket}`, list.join('\n')))
  const isAllKept =
    peers.some(({ up }) => up) && peers.every(({ up, sid }) => !up || pooled.has(sid))
  const rules =
    ruled === undefined
      ? ''
      : ` ${printRules({ ...ruled.rules, kept: isReachedKept(ruled.rules) && isAllKept })}`
  return makeUnit(name, `${buckets}${rules}`, entries)
}

/** From a SID to the instance that it stands for, as an object (peer-line.ts has it as a line). */
import { UnitKind } from '../../contract/table/mark.js'
import { parseRules } from '../../contract/table/rules.js'
import type { Rules } from '../../contract/table/rules.js'
import { upstreamsIn } from '../../contract/table/split-record.js'
import { Width, parsePeer, peerBucket } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'

/**
 * The upstreams that a unit leads to: `:web` to itself, `~canary` to those it splits to. Empty
 * when it is unknown.
 */
export function upstreamsOf(table: Dict, unit: string): string[] {
  const record = table.get(unit)
  if (record === undefined) {
    return []
  }
  return unit.charAt(0) === UnitKind.Split ? upstreamsIn(record.slice(Width.Digest)) : [unit]
}

/** How many peer buckets `:web` has; 0 when it is unknown. */
export function bucketsOf(table: Dict, upstream: string): number {
  const record = table.get(upstream)
  return record === undefined ? 0 : parseInt(record.slice(Width.Digest), 10)
}

/** The rules of `:web`; null when it has none, or is unknown. */
export function rulesOf(table: Dict, upstream: string): Rules | null {
  const record = table.get(upstream)
  return record === undefined ? null : parseRules(record.slice(Width.Digest))
}

/** The peer with this SID. Of two instances at one address, the one that is up. */
export function findPeer(table: Dict, upstream: string, sid: string): PeerLine | null {
  const buckets = bucketsOf(table, upstream)
  const lines = buckets > 0 ? table.get(upstream + '#' + peerBucket(sid, buckets)) : undefined
  if (lines === undefined) {
    return null
  }
  let found: PeerLine | null = null
  let at = lines.indexOf(sid + ' ')
  while (at >= 0) {
    if (at === 0 || lines.charAt(at - 1) === '\n') {
      const end = lines.indexOf('\n', at)
      const peer = parsePeer(lines.slice(at, end < 0 ? lines.length : end))
      if (peer.up) {
        return peer
      }
      found = found === null ? peer : found
    }
    at = lines.indexOf(sid + ' ', at + 1)
  }
  return found
}

/**
 * Whether these lines have a peer that is up and was not tried. The first one found is enough: to
 * read them all costs by their number.
 */
export function hasUp(lines: string, tried: string): boolean {
  const up = /^(\S+) \S+ \S+ u/gm
  let line = up.exec(lines)
  while (line !== null && tried.indexOf(line[1] as string) >= 0) {
    line = up.exec(lines)
  }
  return line !== null
}

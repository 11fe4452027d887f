/**
 * Peers as lines of text, where nearly all requests or connections pass: to make an object of a
 * line costs more than to cut it. peers.ts is for the others.
 */
import { Width, peerBucket } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'

/**
 * The bucket of peers that this SID falls into; '' when it is not there. `record`: the
 * upstream's, with its digest.
 */
export function linesFor(table: Dict, upstream: string, record: string, sid: string): string {
  const buckets = parseInt(record.slice(Width.Digest), 10)
  return table.get(upstream + '#' + peerBucket(sid, buckets)) || ''
}

/** `<sid> <address> <id> <flags>[ <token>]`, the first that the SID has; '' for none. */
export function lineOf(lines: string, sid: string): string {
  const at = ('\n' + lines).indexOf('\n' + sid + ' ')
  const end = lines.indexOf('\n', at)
  return at < 0 ? '' : lines.slice(at, end < 0 ? lines.length : end)
}

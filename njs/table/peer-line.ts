/**
 * Peers as the lines of text that they are, for where nearly all pass: to make objects of them
 * would cost each of these more.
 */
import { DIGEST_LENGTH, peerBucket } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'

/**
 * The bucket of peers that this SID falls into; '' when it is not there. `record`: the
 * upstream's, with its digest.
 */
export function linesFor(table: Dict, upstream: string, record: string, sid: string): string {
  const buckets = parseInt(record.slice(DIGEST_LENGTH), 10)
  return table.get(upstream + '#' + peerBucket(sid, buckets)) || ''
}

/** `<sid> <address> <id> <flags>[ <token>]`, the first that the SID has; '' for none. */
export function lineOf(lines: string, sid: string): string {
  const at = ('\n' + lines).indexOf('\n' + sid + ' ')
  const end = lines.indexOf('\n', at)
  return at < 0 ? '' : lines.slice(at, end < 0 ? lines.length : end)
}

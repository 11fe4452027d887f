/**
 * Where a request went, for the access log. A gateway with a log asks this for every request, so
 * nothing here makes objects of lines, and a table of one bucket is read without a hash.
 */
import { UnitKind } from '../../contract/table/mark.js'
import { Width, peerBucket } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'
import { findUnit } from './lookup.js'
import type { LookupRequest } from './lookup-request.js'
import { upstreamsOf } from './peers.js'

/** `web a` for a peer of `:web`; '' when the table does not have it any more. */
function nameIn(table: Dict, upstream: string, sid: string): string {
  const record = table.get(upstream)
  if (record === undefined) {
    return ''
  }
  const buckets = parseInt(record.slice(Width.Digest), 10)
  const lines = table.get(upstream + '#' + (buckets === 1 ? 0 : peerBucket(sid, buckets)))
  const at = lines === undefined ? -1 : lines.indexOf(sid)
  if (lines === undefined || at < 0) {
    return ''
  }
  const from = lines.indexOf(' ', at + sid.length + 1) + 1
  return upstream.slice(1) + ' ' + lines.slice(from, lines.indexOf(' ', from))
}

function nameOf(table: Dict, unit: string, sid: string): string {
  if (unit.charAt(0) !== UnitKind.Split) {
    return nameIn(table, unit, sid)
  }
  const upstreams = upstreamsOf(table, unit)
  for (let i = 0; i < upstreams.length; i++) {
    const name = nameIn(table, upstreams[i] as string, sid)
    if (name !== '') {
      return name
    }
  }
  return ''
}

/** `<upstream> <instance> <tries>`, `-` for what is not known. */
export function describeRequest(table: Dict, request: LookupRequest): string {
  const variables = request.variables
  const addresses = variables.upstream_addr
  if (addresses === undefined || addresses === '') {
    return '- - 0'
  }
  // A peer's address ends in a port's digit, the hop's in `.sock`; the last one gave the answer.
  const last = addresses.charCodeAt(addresses.length - 1)
  if (last >= 48 && last <= 57) {
    const unit = findUnit(table, variables.sluice_key as string, request)
    return (nameOf(table, unit, variables.sluice_sid as string) || '- -') + ' 1'
  }
  const said = variables.upstream_http_x_sluice_peer
  // The hop says nothing when it was cut off before its answer began.
  return said === undefined || said === '' ? '- - ' + addresses.split(', ').length : said
}

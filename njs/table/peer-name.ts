/** What the access log calls the instance that a request went to, where the slot did not say. */
import { UnitKind } from '../../contract/table/mark.js'
import { Width, peerBucket } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'
import { findUnit } from './lookup.js'
import type { LookupRequest } from './lookup-request.js'
import { upstreamsOf } from './peers.js'

/** Begins the key of a request that is none of Sluice's, whose pick nobody made. */
const NOBODY = UnitKind.Upstream + '/'

/**
 * `web a` for a peer of `:web`; '' when the table does not have it any more. Nothing here makes
 * objects of lines, and one bucket is read without the record.
 */
function nameIn(table: Dict, upstream: string, sid: string): string {
  let lines = table.get(upstream + '#0') || ''
  let at = lines.indexOf(sid)
  if (at < 0) {
    const record = table.get(upstream)
    const buckets = record === undefined ? 0 : parseInt(record.slice(Width.Digest), 10)
    lines = buckets > 1 ? table.get(upstream + '#' + peerBucket(sid, buckets)) || '' : ''
    at = lines.indexOf(sid)
  }
  const from = lines.indexOf(' ', at + Width.Sid + 1) + 1
  return at < 0 ? '' : upstream.slice(1) + ' ' + lines.slice(from, lines.indexOf(' ', from))
}

/** `web a` for the instance that the pool was asked for; '' where nobody was. */
export function askedName(table: Dict, request: LookupRequest): string {
  const key = request.variables.sluice_key as string
  const unit = key.startsWith(NOBODY) ? '' : findUnit(table, key, request)
  const upstreams =
    unit.charAt(0) === UnitKind.Split ? upstreamsOf(table, unit) : unit === '' ? [] : [unit]
  for (let i = 0; i < upstreams.length; i++) {
    const name = nameIn(table, upstreams[i] as string, request.variables.sluice_sid as string)
    if (name !== '') {
      return name
    }
  }
  return ''
}

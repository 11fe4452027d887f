/**
 * What a route changes that needs no hop: the path, the Host and headers, for an upstream whose
 * peer the front picks. From here on the request is one for that upstream (`:web/7`).
 */
import { FOR_HOP, Line } from '../../contract/table/action-lines.js'
import { SlotMark } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { CHANGING_LOCATION } from '../../contract/servers.js'
import type { Dict } from '../memory/dict.js'
import { drawSid } from '../table/lookup.js'
import type { FrontRequest } from './request.js'
import { rewrittenPath } from './rewritten-path.lazy.js'
import { samePick } from './same-pick.lazy.js'

/**
 * Whether the client sent none of the headers that are to be replaced: nginx leaves out no header
 * whose name its configuration does not know. One without a value was sent, too.
 */
function areAbsent(v: FrontRequest['variables'], names: string): boolean {
  return names === '' || names.split(' ').every((name) => v[name] === undefined)
}

/** Path and query; '' as they came. */
function targetOf(r: FrontRequest, prefix: string, to: string): string {
  if (to === '') {
    return ''
  }
  const target = r.variables.request_uri as string
  const path = r.uri
  // Written as nginx reads it, with something behind the prefix: there is nothing to look for.
  const isPlain =
    target.startsWith(path) &&
    (target.length === path.length || target.charAt(path.length) === '?') &&
    path.length > prefix.length &&
    // In place of bytes that are no text; they are sent on as they came.
    target.indexOf('\ufffd') < 0
  return isPlain
    ? (to === '/' ? '' : to) + target.slice(prefix === '/' ? 0 : prefix.length)
    : rewrittenPath(r, prefix, to)
}

/**
 * Where a request goes on that is changed here; '' where the hop has to change it. `pick` draws a
 * SID for a slot's key that has `value`; null for a request with a body, whose pick is made when
 * that is here. `record` is that of the route `unit`.
 */
function change(
  table: Dict,
  r: FrontRequest,
  unit: string,
  record: string,
  pick: ((slotKey: string, value: string) => string) | null,
): string {
  const v = r.variables
  const lines = record.slice(Width.Digest).split('\n')
  const absent = lines[Line.Absent] as string
  const answered = lines[Line.Answered] as string
  if (absent.startsWith(FOR_HOP) || v.sluice_unpooled !== '' || !areAbsent(v, absent)) {
    return ''
  }
  const first = (lines[Line.Target] as string).split(' ')
  const target = first[0] as string
  const key = v.sluice_key as string
  const slotKey = target + key.slice(key.lastIndexOf('/'))
  const value = table.get(slotKey) || ''
  const isPlain = value >= SlotMark.Shared
  if (!isPlain && !samePick(table, target)) {
    return ''
  }
  v.sluice_act_target = targetOf(r, first[1] as string, lines[Line.Path] as string)
  const sid =
    pick === null
      ? '-'
      : isPlain
        ? drawSid(table, slotKey, value, Number(v.sluice_share))
        : pick(slotKey, value)
  if (sid === '') {
    return ''
  }
  v.sluice_act_headers = (lines[Line.Sent] as string).split('\t').join('\r\n')
  v.sluice_act_host = lines[Line.Host] || v.sluice_host
  v.sluice_act_pick = sid
  v.sluice_act_key = key
  v.sluice_key = slotKey
  v.sluice_act_answer_unit = answered === '' ? '' : unit
  return CHANGING_LOCATION + (pick === null ? '_body' : '') + (answered === '' ? '' : '_edited')
}

export function changeHere(): typeof change {
  return change
}

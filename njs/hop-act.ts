/**
 * What the hop does for a route that acts: it answers by itself, or passes the request on to the hop once more, changed, in the
 * name of the unit that serves it. So tries, sessions and trials are the same as without.
 */
import { DIGEST_LENGTH } from '../contract/table.js'
import { parseActionRecord } from '../contract/route-action.js'
import type { ActionRecord } from '../contract/route-action.js'
import { zones } from './dict.js'
import { redirectTo, rewriteTarget } from './act-uri.js'
import { findUnit } from './lookup.js'
import { parsePick } from './plan.js'

/** What answers in place of an upstream. */
export interface Reply {
  status: number
  headers: { [name: string]: string }
  body: string
}

function recordOf(r: NginxHTTPRequest): ActionRecord | null {
  const table = zones.sluice_table
  const unit = findUnit(table, parsePick(r.variables.http_x_sluice_pick).key, r.uri)
  const record = unit.charAt(0) === '&' ? table.get(unit) : undefined
  return record === undefined ? null : parseActionRecord(record.slice(DIGEST_LENGTH))
}

/** The path and query as they came, where bytes that are no UTF-8 would not outlive their way through text. */
function targetOf(r: NginxHTTPRequest): string {
  const text = r.variables.request_uri as string
  if (text.indexOf('\ufffd') < 0) {
    return text
  }
  const bytes = r.rawVariables.request_uri as Buffer
  let target = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    target += byte < 128 ? String.fromCharCode(byte) : '%' + byte.toString(16).toUpperCase()
  }
  return target
}

/** '' when the request is where it leads. */
function locationOf(r: NginxHTTPRequest, known: ActionRecord): string {
  const v = r.variables
  const redirect = known.action.redirect
  if (redirect === undefined) {
    return ''
  }
  const key = parsePick(v.http_x_sluice_pick).key
  const port = /:(\d{1,5})$/.exec(v.http_host || '')
  const asked = {
    scheme: v.http_x_forwarded_proto === 'https' ? 'https' : 'http',
    host: key.slice(1, key.lastIndexOf('/')),
    port: port === null ? '' : (port[1] as string),
    target: targetOf(r),
  }
  return redirectTo(redirect, asked, known.prefix)
}

/** null when the route does not answer this request by itself. */
function replyOf(r: NginxHTTPRequest, known: ActionRecord): Reply | null {
  const page = known.action.maintenance
  if (page !== undefined) {
    const headers = { 'Content-Type': page.contentType, 'Cache-Control': 'no-store' }
    return { status: page.status, headers: headers, body: page.body }
  }
  const location = locationOf(r, known)
  const status = known.action.redirect === undefined ? 0 : known.action.redirect.status
  return location === '' ? null : { status: status, headers: {}, body: location }
}

function passOn(r: NginxHTTPRequest, known: ActionRecord): void {
  const v = r.variables
  const action = known.action
  const picked = parsePick(v.http_x_sluice_pick)
  const slot = picked.key.slice(picked.key.lastIndexOf('/'))
  v.sluice_act_pick = known.target + slot + ' ' + picked.sid
  v.sluice_act_target =
    action.rewrite === undefined ? '' : rewriteTarget(targetOf(r), known.prefix, action.rewrite)
  v.sluice_act_host = action.upstreamHost === undefined ? v.sluice_host : action.upstreamHost
}

/** The location that acts; '' when the request's route only chooses. */
export function act(r: NginxHTTPRequest): string {
  const known = recordOf(r)
  if (known === null) {
    return ''
  }
  if (replyOf(r, known) !== null) {
    return '@sluice_reply'
  }
  if (known.target === '-') {
    return ''
  }
  passOn(r, known)
  return '@sluice_act'
}

/** Answers for the route. */
export function reply(r: NginxHTTPRequest): void {
  const known = recordOf(r)
  const made = known === null ? null : replyOf(r, known)
  if (made === null) {
    // The route was changed since a moment ago.
    r.headersOut['Retry-After'] = '1'
    r.return(503, '')
    return
  }
  Object.keys(made.headers).forEach((name) => {
    r.headersOut[name] = made.headers[name]
  })
  r.return(made.status, made.body)
}

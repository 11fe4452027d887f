/**
 * What the hop does for a route that acts: it answers by itself, or passes the request on to the
 * hop once more, changed, in the name of the unit that serves it. So tries, sessions and trials
 * are the same as without.
 */
import { DIGEST_LENGTH } from '../../contract/table/table.js'
import { parseActionRecord } from '../../contract/record/route-action.js'
import type { ActionRecord, Redirect, RouteAction } from '../../contract/record/route-action.js'
import type { Code } from '../../contract/codes.js'
import { PATIENT, PATIENT_LOCATION } from '../../contract/table/zones.js'
import { editResponse, requestLines } from './act-headers.js'
import { errorPage, replace } from './act-page.js'
import { splitArms } from '../choose/split-arm.lazy.js'
import { zones } from '../memory/dict.js'
import { redirectTo, rewriteTarget } from './act-uri.js'
import { findUnit } from '../table/lookup.js'
import { parsePick } from './plan.js'
import { isGrpc } from './request.js'
import { grpcRefusal, refusalPage } from './refusal.js'
import type { RefusalPage } from './refusal.js'

/** What answers in place of an upstream. */
interface Reply {
  status: number
  headers: { [name: string]: string }
  body: string
}

function recordOf(r: NginxHTTPRequest): ActionRecord | null {
  const table = zones.sluice_table
  const key = parsePick(r.variables.http_x_sluice_pick).key
  let unit = findUnit(table, key, r)
  let record = unit.charAt(0) === '&' ? table.get(unit) : undefined
  if (record === undefined && unit.charAt(0) === '&') {
    // A change took it away between the two reads: its host leads to something else already.
    unit = findUnit(table, key, r)
    record = unit.charAt(0) === '&' ? table.get(unit) : undefined
  }
  return record === undefined ? null : parseActionRecord(record.slice(DIGEST_LENGTH))
}

/**
 * The path and query as they came, where bytes that are no UTF-8 would not outlive their way
 * through text.
 */
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

/** What is said in place of an upstream: the route's own page, where it has one. */
export function pageFor(r: NginxHTTPRequest, code: Code, name: string): RefusalPage {
  const page = refusalPage(code, name, r.headersIn.Accept)
  const known = recordOf(r)
  return (known !== null && errorPage(known.action, page.status)) || page
}

function refusalReply(r: NginxHTTPRequest, code: Code): Reply {
  const page = pageFor(r, code, '')
  return { status: page.status, headers: { 'Content-Type': page.contentType }, body: page.body }
}

/**
 * The front has read the body, so it has a length, unless it was told to pass it on as it comes.
 */
function bodyReply(r: NginxHTTPRequest, most: number | undefined): Reply | null {
  const v = r.variables
  if (most === undefined) {
    return null
  }
  if (Number(v.content_length || 0) > most) {
    return refusalReply(r, 'too_large')
  }
  return v.http_transfer_encoding ? refusalReply(r, 'length_required') : null
}

/** A front that waits for as long as the route does: its own limit may be a shorter one. */
function patienceReply(r: NginxHTTPRequest, action: RouteAction): Reply | null {
  const isPatient = parsePick(r.variables.http_x_sluice_pick).sid === PATIENT
  return action.timeouts === undefined || isPatient
    ? null
    : {
        status: 500,
        headers: { 'X-Accel-Redirect': PATIENT_LOCATION },
        body: 'The server in front must not ignore X-Accel-Redirect\n',
      }
}

/**
 * The field of a route that nginx cannot do with a call, whose headers are no text and whose body
 * is never held back.
 */
function unfitForGrpc(action: RouteAction): string | undefined {
  const unfit: Array<keyof RouteAction> = ['redirect', 'requestHeaders', 'maxBodyBytes', 'mirror']
  const found = unfit.filter((field) => action[field] !== undefined)[0]
  return found === undefined && action.buffering === true ? 'buffering' : found
}

/** null when the route passes a call of gRPC on. */
function grpcReply(known: ActionRecord): Reply | null {
  const unfit = known.action.maintenance === undefined ? unfitForGrpc(known.action) : undefined
  if (known.action.maintenance === undefined && unfit === undefined) {
    return null
  }
  const headers =
    unfit === undefined ? grpcRefusal('maintenance', '') : grpcRefusal('not_for_grpc', unfit)
  return { status: 200, headers: headers, body: '' }
}

/** null when the route does not answer this request by itself. */
function replyOf(r: NginxHTTPRequest, known: ActionRecord): Reply | null {
  const action = known.action
  if (isGrpc(r)) {
    return grpcReply(known)
  }
  const page = action.maintenance
  if (page !== undefined) {
    const headers = { 'Content-Type': page.contentType, 'Cache-Control': 'no-store' }
    return { status: page.status, headers: headers, body: page.body }
  }
  const location = locationOf(r, known)
  if (location !== '') {
    return { status: (action.redirect as Redirect).status, headers: {}, body: location }
  }
  return known.target === '-' ? null : bodyReply(r, action.maxBodyBytes) || patienceReply(r, action)
}

/**
 * The arm of a split is chosen by what the client sent, so before any of that is changed; behind
 * its name stands the arm's.
 */
function withArm(r: NginxHTTPRequest, target: string, slot: string): string {
  const v = r.variables
  const table = zones.sluice_table
  if (target.charAt(0) !== '~' || table.get(target + slot) !== undefined) {
    return target
  }
  const arm = splitArms().armOf(table, r, target, Number(slot.slice(1)), Number(v.sluice_share))
  v.sluice_arm_cookie = arm.cookie
  return target + arm.upstream
}

/**
 * The same for a call of gRPC, whose path is its method's name: there is nothing in it to keep
 * byte for byte.
 */
function passCallOn(r: NginxHTTPRequest, known: ActionRecord): string {
  const v = r.variables
  const action = known.action
  const rewrite = action.rewrite
  const key = parsePick(v.http_x_sluice_pick).key
  const slot = key.slice(key.lastIndexOf('/'))
  v.sluice_act_pick = withArm(r, known.target, slot) + slot
  v.sluice_act_target = rewrite === undefined ? r.uri : rewriteTarget(r.uri, known.prefix, rewrite)
  v.sluice_act_host = action.upstreamHost === undefined ? v.sluice_host : action.upstreamHost
  return '@sluice_act_' + (action.timeouts === undefined ? 0 : action.timeouts.readMs)
}

/** Fills the variables of the location that passes the request on; answers its name. */
function passOn(r: NginxHTTPRequest, known: ActionRecord): string {
  return isGrpc(r) ? passCallOn(r, known) : passRequestOn(r, known)
}

function passRequestOn(r: NginxHTTPRequest, known: ActionRecord): string {
  const v = r.variables
  const action = known.action
  const picked = parsePick(v.http_x_sluice_pick)
  const slot = picked.key.slice(picked.key.lastIndexOf('/'))
  const sid = picked.sid === '' || picked.sid === PATIENT ? '' : ' ' + picked.sid
  const made = requestLines(action.requestHeaders || {}, r.rawHeadersIn)
  const mirror = action.mirror
  const isMirrored = mirror !== undefined && Number(v.sluice_share) < mirror.percent * 10
  v.sluice_act_pick = withArm(r, known.target, slot) + slot + sid
  v.sluice_act_lines = made.lines
  v.sluice_act_mirror = isMirrored ? ':' + mirror.upstream + slot : ''
  v.sluice_act_target =
    action.rewrite !== undefined
      ? rewriteTarget(targetOf(r), known.prefix, action.rewrite)
      : isMirrored
        ? targetOf(r)
        : ''
  v.sluice_act_host = action.upstreamHost === undefined ? v.sluice_host : action.upstreamHost
  return (
    '@sluice_act_' +
    (action.timeouts === undefined ? 0 : action.timeouts.readMs) +
    (made.whole ? '_whole' : '') +
    (isMirrored ? '_mirror' : '') +
    (action.pages === undefined ? '' : '_paged')
  )
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
  return known.target === '-' ? '' : passOn(r, known)
}

/** What the answer of the upstream, or in its place, gets of the route. */
function dressBy(r: NginxHTTPRequest, action: RouteAction): void {
  if (action.responseHeaders !== undefined) {
    editResponse(r.headersOut, action.responseHeaders)
  }
  if (action.buffering !== undefined) {
    r.headersOut['X-Accel-Buffering'] = action.buffering ? 'yes' : 'no'
  }
}

/** The same of what comes from the hop, and a page in its place where the route has one. */
export function dress(r: NginxHTTPRequest): void {
  const known = recordOf(r)
  if (known !== null) {
    if (!isGrpc(r)) {
      replace(r, known.action)
    }
    dressBy(r, known.action)
  }
}

/** Answers for the route. */
export function reply(r: NginxHTTPRequest): void {
  const known = recordOf(r)
  const made = known === null ? null : replyOf(r, known)
  if (known === null || made === null) {
    // The route was changed since a moment ago.
    r.headersOut['Retry-After'] = '1'
    r.return(503, '')
    return
  }
  Object.keys(made.headers).forEach((name) => {
    r.headersOut[name] = made.headers[name]
  })
  dressBy(r, known.action)
  r.return(made.status, made.body)
}

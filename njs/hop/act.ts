/**
 * What the hop does for a route that acts: it answers by itself, or passes the request on to the
 * hop once more, changed, in the name of the unit that serves it. So tries, sessions and trials
 * are the same as without.
 */
import { upgradeFor } from '../../contract/record/route-upgrade.js'
import { UnitKind } from '../../contract/table/mark.js'
import { DIGEST_LENGTH } from '../../contract/table/table.js'
import type { Redirect, RouteAction } from '../../contract/record/route-action.js'
import { parseActionRecord } from '../../contract/record/action-record.js'
import type { ActionRecord } from '../../contract/record/action-record.js'
import type { Code } from '../../contract/codes.js'
import { PATIENT, PATIENT_LOCATION, TOO_LARGE } from '../../contract/table/zones.js'
import { editResponse, requestLines } from './act-headers.js'
import { errorPage, replaceHeaders } from './act-page.js'
import { splitArms } from '../choose/split-arm.lazy.js'
import { zones } from '../memory/dict.js'
import { askedAddress, redirectTo, rewriteTarget, targetAsItCame } from './act-uri.js'
import { findUnit } from '../table/lookup.js'
import { isGrpc, setArmCookie, setForwarding } from './state.js'
import { send } from './answer.js'
import type { HopState } from './state.js'
import { grpcRefusal, refusalPage } from './refusal.js'
import type { RefusalPage } from './refusal.js'

/** What answers in place of an upstream. */
interface Reply {
  status: number
  headers: { [name: string]: string }
  body: string
}

function recordOf(h: HopState): ActionRecord | null {
  const table = zones.sluice_table
  const key = h.picked.key
  let unit = findUnit(table, key, h.r)
  let record = unit.charAt(0) === UnitKind.Action ? table.get(unit) : undefined
  if (record === undefined && unit.charAt(0) === UnitKind.Action) {
    // A change took it away between the two reads: its host leads to something else already.
    unit = findUnit(table, key, h.r)
    record = unit.charAt(0) === UnitKind.Action ? table.get(unit) : undefined
  }
  return record === undefined ? null : parseActionRecord(record.slice(DIGEST_LENGTH))
}

/** '' when the request is where it leads. */
function locationOf(h: HopState, known: ActionRecord): string {
  const v = h.v
  const redirect = known.action.redirect
  if (redirect === undefined) {
    return ''
  }
  const scheme = v.http_x_forwarded_proto || ''
  const asked = askedAddress(scheme, v.http_x_forwarded_host || '', targetAsItCame(h.r))
  return redirectTo(redirect, asked, known.prefix)
}

/** What is said in place of an upstream: the route's own page, where it has one. */
export function pageFor(h: HopState, code: Code, name: string): RefusalPage {
  const page = refusalPage(code, name, h.r.headersIn.Accept)
  const known = recordOf(h)
  return (known !== null && errorPage(known.action, page.status)) || page
}

function refusalReply(h: HopState, code: Code): Reply {
  const page = pageFor(h, code, '')
  return { status: page.status, headers: { 'Content-Type': page.contentType }, body: page.body }
}

/**
 * The front has read the body, so it has a length, unless it is passed on as it comes.
 */
function bodyReply(h: HopState, most: number | undefined): Reply | null {
  const v = h.v
  if (most === undefined) {
    return null
  }
  if (Number(v.content_length || 0) > most || h.picked.sid === TOO_LARGE) {
    return refusalReply(h, 'too_large')
  }
  return v.http_transfer_encoding ? refusalReply(h, 'length_required') : null
}

/**
 * A front that waits for as long as the route does: its own limit may be a shorter one. Where there
 * is a pool the front has looked itself, and heeds no such answer.
 */
function patienceReply(h: HopState, action: RouteAction): Reply | null {
  const isPatient = h.picked.sid !== '' || h.v.sluice_unpooled === ''
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
function replyOf(h: HopState, known: ActionRecord): Reply | null {
  const action = known.action
  if (isGrpc(h)) {
    return grpcReply(known)
  }
  const page = action.maintenance
  if (page !== undefined) {
    const headers = { 'Content-Type': page.contentType, 'Cache-Control': 'no-store' }
    return { status: page.status, headers: headers, body: page.body }
  }
  const location = locationOf(h, known)
  if (location !== '') {
    return { status: (action.redirect as Redirect).status, headers: {}, body: location }
  }
  return known.target === '-' ? null : bodyReply(h, action.maxBodyBytes) || patienceReply(h, action)
}

/**
 * The arm of a split is chosen by what the client sent, so before any of that is changed; behind
 * its name stands the arm's.
 */
function withArm(h: HopState, target: string, slot: string): string {
  const v = h.v
  const table = zones.sluice_table
  if (target.charAt(0) !== UnitKind.Split || table.get(target + slot) !== undefined) {
    return target
  }
  const arm = splitArms().armOf(table, h.r, target, Number(slot.slice(1)), Number(v.sluice_share))
  setArmCookie(v, arm.cookie)
  return target + arm.upstream
}

/**
 * The same for a call of gRPC, whose path is its method's name: there is nothing in it to keep
 * byte for byte.
 */
function passCallOn(h: HopState, known: ActionRecord): string {
  const action = known.action
  const rewrite = action.rewrite
  const key = h.picked.key
  const slot = key.slice(key.lastIndexOf('/'))
  setForwarding(h, {
    pick: withArm(h, known.target, slot) + slot,
    lines: '',
    mirror: '',
    target: rewrite === undefined ? h.r.uri : rewriteTarget(h.r.uri, known.prefix, rewrite),
    host: action.upstreamHost === undefined ? h.v.sluice_host : action.upstreamHost,
    upgrade: '-',
  })
  return '@sluice_act_' + (action.timeouts === undefined ? 0 : action.timeouts.readMs)
}

/** Fills the variables of the location that passes the request on; answers its name. */
function passOn(h: HopState, known: ActionRecord): string {
  return isGrpc(h) ? passCallOn(h, known) : passRequestOn(h, known)
}

function passRequestOn(h: HopState, known: ActionRecord): string {
  const v = h.v
  const action = known.action
  const picked = h.picked
  const slot = picked.key.slice(picked.key.lastIndexOf('/'))
  const sid = picked.sid === '' || picked.sid === PATIENT ? '' : ' ' + picked.sid
  const made = requestLines(action.requestHeaders || {}, h.r.rawHeadersIn)
  const mirror = action.mirror
  const isMirrored = mirror !== undefined && Number(v.sluice_share) < mirror.percent * 10
  setForwarding(h, {
    pick: withArm(h, known.target, slot) + slot + sid,
    lines: made.lines,
    mirror: isMirrored ? UnitKind.Upstream + mirror.upstream + slot : '',
    target:
      action.rewrite !== undefined
        ? rewriteTarget(targetAsItCame(h.r), known.prefix, action.rewrite)
        : isMirrored
          ? targetAsItCame(h.r)
          : '',
    host: action.upstreamHost === undefined ? v.sluice_host : action.upstreamHost,
    upgrade: action.upgrade === undefined ? '-' : upgradeFor(action.upgrade, v.http_upgrade),
  })
  return (
    '@sluice_act_' +
    (action.timeouts === undefined ? 0 : action.timeouts.readMs) +
    (made.whole ? '_whole' : '') +
    (isMirrored ? '_mirror' : '') +
    (action.pages === undefined ? '' : '_paged')
  )
}

/** The location that acts; '' when the request's route only chooses. */
export function act(h: HopState): string {
  const known = recordOf(h)
  if (known === null) {
    return ''
  }
  if (replyOf(h, known) !== null) {
    return '@sluice_reply'
  }
  return known.target === '-' ? '' : passOn(h, known)
}

/** What the answer of the upstream, or in its place, gets of the route. */
function applyToAnswer(h: HopState, action: RouteAction): void {
  if (action.responseHeaders !== undefined) {
    editResponse(h.r.headersOut, action.responseHeaders)
  }
  if (action.buffering !== undefined) {
    h.r.headersOut['X-Accel-Buffering'] = action.buffering ? 'yes' : 'no'
  }
}

/** The same of what comes from the hop, and a page in its place where the route has one. */
export function editAnswer(h: HopState): void {
  const known = recordOf(h)
  if (known !== null) {
    if (!isGrpc(h)) {
      replaceHeaders(h.r, known.action)
    }
    applyToAnswer(h, known.action)
  }
}

/** A call of gRPC is answered by nginx, which reads no more of it. */
function finish(h: HopState, status: number, body: string): void {
  if (isGrpc(h)) {
    h.r.status = status
  } else {
    send(h.r, status, body)
  }
}

/** Answers for the route. */
export function reply(h: HopState): void {
  const known = recordOf(h)
  const made = known === null ? null : replyOf(h, known)
  if (known === null || made === null) {
    // The route was changed since a moment ago.
    h.r.headersOut['Retry-After'] = '1'
    finish(h, 503, '')
    return
  }
  Object.keys(made.headers).forEach((name) => {
    h.r.headersOut[name] = made.headers[name]
  })
  applyToAnswer(h, known.action)
  finish(h, made.status, made.body)
}

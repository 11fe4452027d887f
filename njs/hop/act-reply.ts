/** What the hop answers itself for a route that acts: redirects, maintenance, bodies too large. */
import type { Code } from '../../contract/codes.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import type { Redirect, RouteAction } from '../../contract/record/route-action.js'
import { PATIENT_LOCATION, TOO_LARGE } from '../../contract/servers.js'
import { errorPage } from './act-page.js'
import { recordOf } from './act-record.js'
import { askedAddress, redirectTo, targetAsItCame } from './act-uri.js'
import { grpcRefusal, refusalPage } from './refusal.js'
import type { RefusalPage } from './refusal.js'
import { isGrpc } from './state.js'
import type { HopState } from './state.js'

/** What answers in place of an upstream. */
export interface Reply {
  status: number
  headers: { [name: string]: string }
  body: string
}

/** Where the route's redirect leads; '' without one, and when the request is there already. */
function redirectUrlOf(h: HopState, known: ActionRecord): string {
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

/** The front has read the body, so it has a length, unless it is passed on as it comes. */
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
export function replyOf(h: HopState, known: ActionRecord): Reply | null {
  const action = known.action
  if (isGrpc(h)) {
    return grpcReply(known)
  }
  const page = action.maintenance
  if (page !== undefined) {
    const headers = { 'Content-Type': page.contentType, 'Cache-Control': 'no-store' }
    return { status: page.status, headers: headers, body: page.body }
  }
  const url = redirectUrlOf(h, known)
  if (url !== '') {
    return { status: (action.redirect as Redirect).status, headers: {}, body: url }
  }
  return known.target === '-' ? null : bodyReply(h, action.maxBodyBytes) || patienceReply(h, action)
}

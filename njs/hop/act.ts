/**
 * What the hop does for a route that acts: it answers by itself (act-reply.ts), or passes the
 * request on to the hop once more, changed, in the name of the unit that serves it. So tries,
 * sessions and trials are the same as without.
 */
import type { ActionRecord } from '../../contract/table/action-record.js'
import type { RouteAction } from '../../contract/record/route-action.js'
import { upgradeFor } from '../../contract/record/route-upgrade.js'
import { UnitKind } from '../../contract/table/mark.js'
import { PATIENT } from '../../contract/servers.js'
import { splitArms } from '../choose/split-arms.lazy.js'
import { zones } from '../memory/dict.js'
import { editResponse, requestLines } from './act-headers.js'
import { replaceHeaders } from './act-page.js'
import { recordOf } from './act-record.js'
import { replyOf } from './act-reply.js'
import { setForwarding } from './act-state.js'
import { rewriteTarget, targetAsItCame } from './act-uri.js'
import { send } from './send.js'
import { isGrpc, setArmCookie } from './state.js'
import type { HopState } from './state.js'

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
 * Passes a call of gRPC on. Its path is its method's name: there is nothing in it to keep byte for
 * byte.
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

/** Fills the variables of the location that passes the request on; answers the location's name. */
function passOn(h: HopState, known: ActionRecord): string {
  return isGrpc(h) ? passCallOn(h, known) : passRequestOn(h, known)
}

/** Passes any other request on, with its path and headers as the route changes them. */
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

/** What a route does to an answer, be it the upstream's or the hop's. */
function applyToAnswer(h: HopState, action: RouteAction): void {
  if (action.responseHeaders !== undefined) {
    editResponse(h.r.headersOut, action.responseHeaders)
  }
  if (action.buffering !== undefined) {
    h.r.headersOut['X-Accel-Buffering'] = action.buffering ? 'yes' : 'no'
  }
}

/**
 * What the route does to an answer that comes through the hop; its own page takes the body's place,
 * where it has one for this status.
 */
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
    // The route was changed a moment ago.
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

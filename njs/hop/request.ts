/**
 * What the hop keeps of a request between its tries. A named location is a new VM, so it stands
 * in nginx variables; this is the one file that knows how.
 */
import { printPeer } from '../../contract/table/table.js'
import type { Rules } from '../../contract/table/rules.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice.js'
import { countFailure } from '../memory/count.js'
import { zones } from '../memory/dict.js'
import { follow } from '../memory/count-in-flight.js'
import { rulesOf } from '../table/peers.js'
import { parsePick } from './plan.js'
import { counts } from '../choose/policy/balance.js'
import { sessionCookie } from '../choose/policy/session.js'
import { takePlace } from '../memory/take-place.js'

export interface Tried {
  /** `:web` */
  upstream: string
  address: string
  sid: string
  id: string
  token: string
}

export function hopContext(r: NginxHTTPRequest): ChoiceContext {
  return { table: zones.sluice_table, load: zones.sluice_load, asked: r, nowMs: Date.now() }
}

/** Whether this is a call of gRPC: those have a socket of their own (nginx/grpc-conf.ts). */
export function isGrpc(r: NginxHTTPRequest): boolean {
  return (r.variables.server_addr as string).indexOf('grpc.sock') >= 0
}

export function triesIn(tried: string): number {
  return tried === '' ? 0 : tried.split(' ').length
}

/** nginx's own rule: what is not idempotent is not sent twice. */
export function isIdempotent(method: string): boolean {
  return !/^(POST|PATCH|LOCK)$/.test(method)
}

/** `:web`, then the peer's line. */
export function printChoice(choice: PeerChoice): string {
  return choice.upstream + ' ' + printPeer(choice.peer)
}

/** null for the fallback. */
export function parseChoice(choice: string): Tried | null {
  if (choice.charAt(0) !== ':') {
    return null
  }
  const parts = choice.split(' ')
  return {
    upstream: parts[0] as string,
    sid: parts[1] as string,
    address: parts[2] as string,
    id: parts[3] as string,
    token: parts[5] === undefined ? '' : parts[5],
  }
}

function pickedSid(r: NginxHTTPRequest): string {
  return parsePick(r.variables.http_x_sluice_pick).sid
}

/**
 * False when the last place of a peer was taken meanwhile. What the front picked it has counted
 * itself.
 */
export function claim(r: NginxHTTPRequest, choice: PeerChoice): boolean {
  const ruled = choice.ruled
  if (ruled === undefined || !counts(ruled.rules) || choice.peer.sid === pickedSid(r)) {
    return true
  }
  return takePlace(zones.sluice_load, ruled.rules, choice.upstream, ruled.entry, process.pid)
}

/** Counts the request for drains; the front's own is counted by its limit_conn. */
export function followTry(r: NginxHTTPRequest, sid: string): void {
  if (sid === pickedSid(r)) {
    return
  }
  try {
    follow(sid)
  } catch (error) {
    countFailure(zones.sluice_counter, 'counting a request', error, r)
  }
}

export function rulesOfTried(tried: Tried | null): Rules | null {
  return tried === null ? null : rulesOf(zones.sluice_table, tried.upstream)
}

/** The cookie that makes this choice a session, unless the client has it already; '' for none. */
export function cookieFor(r: NginxHTTPRequest, tried: Tried, rules: Rules | null): string {
  if (rules === null || rules.sticky === '' || tried.token === '') {
    return ''
  }
  const cookie = sessionCookie(zones.sluice_table, tried.upstream, rules, tried.token)
  const name = rules.sticky.slice(rules.sticky.indexOf(':') + 1)
  return r.variables['cookie_' + name] === tried.token ? '' : cookie
}

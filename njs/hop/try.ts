/** What belongs to one try of the hop: a place at the peer, its count, its session. */
import type { Rules } from '../../contract/table/rules.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { countInFlight } from '../memory/count-in-flight.js'
import { rulesOf } from '../table/peers.js'
import type { HopState, Tried } from './state.js'
import { counts } from '../choose/policy/balance.js'
import { sessionCookie } from '../choose/policy/session.js'
import { takePlace } from '../memory/take-place.js'

export function hopContext(h: HopState): ChoiceContext {
  return { table: zones.sluice_table, load: zones.sluice_load, request: h.r, nowMs: Date.now() }
}

/** nginx's own rule: what is not idempotent is not sent twice. */
export function isIdempotent(method: string): boolean {
  return !/^(POST|PATCH|LOCK)$/.test(method)
}

/**
 * False when the last place of a peer was taken meanwhile. What the front picked it has counted
 * itself.
 */
export function claim(h: HopState, choice: PeerChoice): boolean {
  const ruled = choice.ruled
  if (ruled === undefined || !counts(ruled.rules) || choice.peer.sid === h.picked.sid) {
    return true
  }
  return takePlace(zones.sluice_load, ruled.rules, choice.upstream, ruled.entry, process.pid)
}

/** Counts the request for drains; the front's own is counted by its limit_conn. */
export function followTry(h: HopState, sid: string): void {
  if (sid === h.picked.sid) {
    return
  }
  try {
    countInFlight(sid)
  } catch (error) {
    countFailure(zones.sluice_counter, 'counting a request', error, h.r)
  }
}

export function rulesOfTried(tried: Tried | null): Rules | null {
  return tried === null ? null : rulesOf(zones.sluice_table, tried.upstream)
}

/** The cookie that makes this choice a session, unless the client has it already; '' for none. */
export function cookieFor(h: HopState, tried: Tried, rules: Rules | null): string {
  if (rules === null || rules.sticky === '' || tried.token === '') {
    return ''
  }
  const cookie = sessionCookie(zones.sluice_table, tried.upstream, rules, tried.token)
  const name = rules.sticky.slice(rules.sticky.indexOf(':') + 1)
  return h.v['cookie_' + name] === tried.token ? '' : cookie
}

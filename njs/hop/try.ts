/** What belongs to one try of the hop: a place at the peer, its count, its session. */
import type { Rules } from '../../contract/table/rules.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import { countForDrainSafely } from '../memory/count-for-drain.js'
import { zones } from '../memory/dict.js'
import { rulesOf } from '../table/peers.js'
import type { HopState, Try } from './state.js'
import { takePlaceAt } from '../choose/take-place-at.js'
import { sessionCookie } from '../choose/policy/session.js'

export function hopContext(h: HopState): ChoiceContext {
  return { table: zones.sluice_table, load: zones.sluice_load, request: h.r, nowMs: Date.now() }
}

/** nginx's own rule: what is not idempotent is not sent twice. */
export function isIdempotent(method: string): boolean {
  return !/^(POST|PATCH|LOCK)$/.test(method)
}

/**
 * Takes a place at the peer, unless the front, which picked it, has. False when another request
 * took its last place meanwhile.
 */
export function takePlaceOnce(h: HopState, choice: PeerChoice): boolean {
  return choice.peer.sid === h.picked.sid || takePlaceAt(choice)
}

/** Counts the request for drains, unless the front picked the peer: its limit_conn counts those. */
export function countForDrainOnce(h: HopState, sid: string): void {
  if (sid !== h.picked.sid) {
    countForDrainSafely(sid, 'a request', h.r)
  }
}

export function rulesOfTry(tried: Try | null): Rules | null {
  return tried === null ? null : rulesOf(zones.sluice_table, tried.upstream)
}

/** The cookie that makes this choice a session, unless the client has it already; '' for none. */
export function cookieFor(h: HopState, tried: Try, rules: Rules | null): string {
  if (rules === null || rules.sticky === '' || tried.token === '') {
    return ''
  }
  const cookie = sessionCookie(zones.sluice_table, tried.upstream, rules, tried.token)
  const name = rules.sticky.slice(rules.sticky.indexOf(':') + 1)
  return h.v['cookie_' + name] === tried.token ? '' : cookie
}

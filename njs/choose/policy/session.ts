/** Sticky sessions: from what the client says to the instance it was with. */
import { ENTRY_LENGTH, parseEntry } from '../../../contract/table/rules.js'
import type { ListEntry, Rules } from '../../../contract/table/rules.js'
import type { Dict } from '../../memory/dict.js'
import type { LookupRequest } from '../../table/lookup-request.js'
import { sessionByKey } from './session-by-key.lazy.js'

/**
 * The entry of the session's instance; null when there is no session, or its instance takes it no
 * more.
 */
export function sessionEntry(
  table: Dict,
  request: LookupRequest,
  upstream: string,
  rules: Rules,
): ListEntry | null {
  const found =
    rules.sticky === '' ? undefined : sessionByKey()(table, request, upstream, rules.sticky)
  return found === undefined || found.length < ENTRY_LENGTH ? null : parseEntry(found, 0)
}

/**
 * `sluice=0123456789abcdef; Path=/; HttpOnly` for a peer with this token; '' when the policy has
 * no cookie.
 */
export function sessionCookie(table: Dict, upstream: string, rules: Rules, token: string): string {
  const isCookie = rules.sticky.indexOf('cookie:') === 0
  return isCookie && token !== ''
    ? rules.sticky.slice('cookie:'.length) + '=' + token + (table.get(upstream + '$') || '')
    : ''
}

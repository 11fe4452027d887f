/**
 * To which server a connection is handed on: the name of its socket. A module of its own, imported only in the servers that ask, because
 * each of their connections pays for all of what is imported there.
 */
import { PASSED_NAME } from '../../contract/table/zones.js'
import { zones } from '../memory/dict.js'
import { cameTo, hand, handTuned } from '../stream/handoff.js'
import { findPassed } from '../stream/sni-lookup.js'
import { fallbackOf } from '../stream/fallback.js'

/** `$sluice_way`: whether TLS is passed through or terminated, after nginx looked into it. */
function tls(s: NginxStreamRequest): string {
  const name = s.variables.ssl_preread_server_name || ''
  const unit = findPassed(zones.sluice_table, PASSED_NAME, name)
  if (unit !== '') {
    return handTuned(s, unit, () => cameTo(s))
  }
  const asked = '@' + PASSED_NAME + name.toLowerCase()
  if (name === '' || fallbackOf(s, asked) === '') {
    return 'https'
  }
  hand(s, asked)
  return 'handed'
}

/** `$sluice_onward`: where the port has names, the client has to speak first. */
function port(s: NginxStreamRequest): string {
  const own = s.variables.server_port as string
  const unit = '@tcp*' + own
  if (zones.sluice_table.get('@' + own + '*') === undefined) {
    return handTuned(s, unit, () => cameTo(s))
  }
  hand(s, unit + cameTo(s))
  return 'named'
}

export default { tls, port }

/** In which way a peer is asked: over which protocol, over TLS, and whether it fits the request. */
import type { Rules } from '../../contract/table/rules.js'
import type { PeerChoice } from '../choose/choice-types.js'
import { zones } from '../memory/dict.js'
import { rulesOf } from '../table/peers.js'
import { isGrpc, setTls } from './state.js'
import type { HopState, Refusal } from './state.js'

/** Why the peer cannot be asked in the way in which this request came; '' if it can. */
export function misfitOf(h: HopState, choice: PeerChoice): Refusal | '' {
  const rules = rulesOf(zones.sluice_table, choice.upstream)
  const protocol = rules === null ? '' : rules.protocol
  if (isGrpc(h)) {
    return protocol === 'grpc' ? '' : 'not_grpc'
  }
  return protocol === 'grpc'
    ? 'only_grpc'
    : protocol === 'h2' && h.v.sluice_h2 === ''
      ? 'no_h2'
      : ''
}

/**
 * What locations for a peer of these rules end in: `_h2` speaks HTTP/2, `_tls` and `_tls_any` TLS
 * (nginx/hop-conf.ts).
 */
export function locationSuffix(rules: Rules | null): string {
  if (rules === null) {
    return ''
  }
  const tls = rules.tls === '' ? '' : rules.tls.indexOf('verified:') === 0 ? '_tls' : '_tls_any'
  return (rules.protocol === 'h2' ? '_h2' : '') + tls
}

/**
 * Tells nginx by which name to ask, and what to show. Throws where what is to be shown is not
 * there: the peer would take us for somebody else.
 */
export function setPeerTls(h: HopState, tls: string): void {
  const parts = tls.split(':')
  const shown = parts[2] === undefined ? '' : zones.sluice_table.get('^=' + parts[2])
  if (shown === undefined) {
    throw new Error('the table has no certificate ' + parts[2] + ' to show to instances')
  }
  setTls(h, parts[1] as string, shown)
}

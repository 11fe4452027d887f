/** In which way a peer is asked: over which protocol, over TLS, and whether it fits the request. */
import type { Rules } from '../../contract/table/rules.js'
import type { PeerChoice } from '../choose/choice-types.js'
import { zones } from '../memory/dict.js'
import type { Dict } from '../memory/dict.js'
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

interface TlsToPeer {
  /** By which name to ask; maybe ''. */
  name: string
  /** Id of what to show; '' for nothing. */
  certificate: string
}

/** What `Rules.tls` says, in parts; null where there is no TLS. */
export function peerTlsOf(rules: Rules | null): TlsToPeer | null {
  const parts = rules === null ? [] : rules.tls.split(':')
  return parts.length < 2
    ? null
    : { name: parts[1] as string, certificate: parts[2] === undefined ? '' : parts[2] }
}

/** Throws where it is not there: the peer would take us for somebody else. */
export function certificateFor(id: string, table: Dict): string {
  const shown = table.get('^=' + id)
  if (shown === undefined) {
    throw new Error('the table has no certificate ' + id + ' to show to instances')
  }
  return shown
}

/** Tells nginx by which name to ask, and what to show. Throws where that is not there. */
export function setPeerTls(h: HopState, tls: TlsToPeer): void {
  const id = tls.certificate
  setTls(h, tls.name, id === '' ? '' : certificateFor(id, zones.sluice_table))
}

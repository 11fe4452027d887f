/** What a peer is asked by: its protocol, TLS, and whether these fit the request. */
import type { TlsToPeer } from '../../contract/table/peer-way.js'
import type { PeerChoice } from '../choose/choice-types.js'
import { zones } from '../memory/dict.js'
import { certificateFor } from '../table/peer-certificate.js'
import { rulesOf } from '../table/peers.js'
import { isGrpc, setTls } from './state.js'
import type { HopState, Refusal } from './state.js'

/** Why the peer cannot be asked by the protocol that this request came by; '' if it can. */
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

/** Tells nginx by which name to ask, and what to show. Throws where that is not there. */
export function setPeerTls(h: HopState, tls: TlsToPeer): void {
  const id = tls.certificate
  setTls(h, tls.name, id === '' ? '' : certificateFor(id, zones.sluice_table))
}

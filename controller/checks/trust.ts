/** Whether and how a check speaks TLS. */
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { CheckPolicy } from '../../contract/check-policy.js'
import type { PeerTls } from '../../contract/peer-tls.js'
import type { CheckTls } from './attempt.js'

export class Trust {
  readonly #ca: string | undefined
  #trusted: SecureContext | undefined

  /** `ca`: certificates in PEM; undefined: those that Node knows. */
  constructor(ca: string | undefined) {
    this.#ca = ca
  }

  /** As the gateway reaches the upstream's instances, unless the policy says otherwise. Undefined: without TLS. */
  tlsFor(policy: CheckPolicy, peers: PeerTls | undefined): CheckTls | undefined {
    if (policy.tls === false || (peers === undefined && policy.tls !== true)) {
      return undefined
    }
    if (peers === undefined) {
      return { name: nameIn(policy) }
    }
    const name = peers.serverName ?? nameIn(policy)
    return peers.verify ? { name, trusted: this.#context() } : { name }
  }

  /** To read some hundred certificates takes a while. */
  #context(): SecureContext {
    this.#trusted ??= createSecureContext({ ca: this.#ca })
    return this.#trusted
  }
}

/** TLS knows names alone, no addresses. */
function nameIn({ host = '' }: CheckPolicy): string {
  const name = host.startsWith('[') ? '' : host.replace(/:\d+$/, '')
  return isIP(name) === 0 ? name : ''
}

/** Whether and how a check speaks TLS, with what it shows. */
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import type { CertificateRecord } from '../../../contract/record/certificate.js'
import type { PeerTls } from '../../../contract/record/peer-tls.js'
import type { CheckTls } from './attempt.js'

/** What upstreams may have shown to their instances, as it is now. */
export type CertificateOf = (id: string) => CertificateRecord | undefined

export class Trust {
  readonly #ca: string | undefined
  readonly #certificateOf: CertificateOf
  #plain: SecureContext | undefined
  readonly #showing = new WeakMap<CertificateRecord, SecureContext>()

  /** `ca`: certificates in PEM; undefined: those that Node knows. */
  constructor(ca: string | undefined, certificateOf: CertificateOf = () => undefined) {
    this.#ca = ca
    this.#certificateOf = certificateOf
  }

  /** The certificate that would have to be shown, and is not there. */
  missing(policy: CheckPolicy, peers: PeerTls | undefined): string | undefined {
    const id = policy.tls === false ? undefined : peers?.certificate
    return id === undefined || this.#certificateOf(id) !== undefined ? undefined : id
  }

  /**
   * As the gateway reaches the upstream's instances, unless the policy says otherwise. Undefined:
   * without TLS.
   */
  tlsFor(policy: CheckPolicy, peers: PeerTls | undefined): CheckTls | undefined {
    if (policy.tls === false || (peers === undefined && policy.tls !== true)) {
      return undefined
    }
    if (peers === undefined) {
      return { name: nameIn(policy), verify: false }
    }
    const name = peers.serverName ?? nameIn(policy)
    const { verify, certificate } = peers
    const shown = certificate === undefined ? undefined : this.#certificateOf(certificate)
    const isPlain = !verify && shown === undefined
    return { name, verify, ...(!isPlain && { context: this.#context(shown) }) }
  }

  /**
   * Kept, because reading some hundred authorities takes a while. A renewed certificate is another
   * record.
   */
  #context(shown: CertificateRecord | undefined): SecureContext {
    if (shown === undefined) {
      this.#plain ??= createSecureContext({ ca: this.#ca })
      return this.#plain
    }
    let context = this.#showing.get(shown)
    if (context === undefined) {
      context = createSecureContext({
        ca: this.#ca,
        cert: shown.certificate,
        key: shown.privateKey,
      })
      this.#showing.set(shown, context)
    }
    return context
  }
}

/** TLS knows names alone, no addresses. */
function nameIn({ host = '' }: CheckPolicy): string {
  const name = host.startsWith('[') ? '' : host.replace(/:\d+$/, '')
  return isIP(name) === 0 ? name : ''
}

/** Connections of checks, with TLS or without. */
import { connect as connectPlain } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { CheckAddress } from './attempt.js'

/**
 * A new connection, over TLS where the address says so; `protocol` is what is then asked for by
 * ALPN.
 */
export function open({ host, port, tls }: CheckAddress, protocol: 'http/1.1' | 'h2'): Socket {
  if (tls === undefined) {
    return connectPlain({ host, port, noDelay: true })
  }
  return connectTls({
    host,
    port,
    servername: tls.name,
    rejectUnauthorized: tls.verify,
    ...(tls.context !== undefined && { secureContext: tls.context }),
    ALPNProtocols: [protocol],
  })
}

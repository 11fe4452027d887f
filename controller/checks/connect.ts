import { connect as connectPlain } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { CheckAddress } from './attempt.js'

/**
 * A new connection. Over TLS the certificate is not verified: a check asks whether the instance serves, by an address that
 * certificates seldom name. `name` is the name asked for (SNI), '' for none.
 */
export function open(address: CheckAddress, tls?: { name: string }): Socket {
  const { host, port } = address
  if (tls === undefined) {
    return connectPlain({ host, port, noDelay: true })
  }
  return connectTls({
    host,
    port,
    servername: tls.name,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  })
}

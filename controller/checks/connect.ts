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

/** As URLs and Host headers have it: `10.0.0.7:80`, `[fd00::7]:80`. */
export function printAddress({ host, port }: CheckAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

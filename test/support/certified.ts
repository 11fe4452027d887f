/** What a certificate's way is made of: all of Sluice, and TLS clients. */
import { startControlled } from './controlled.js'
import type { Controlled, ControlledOptions } from './controlled.js'
import { shake } from '../../lab/tls-client.js'
import type { Shaken, ShakeOptions } from '../../lab/tls-client.js'

export interface Certified extends Controlled {
  /** A handshake with the gateway. */
  shake: (name?: string, ca?: string) => Promise<Shaken>
}

export async function startCertified(
  t: Parameters<typeof startControlled>[0],
  options: ControlledOptions,
): Promise<Certified> {
  const controlled = await startControlled(t, options)
  return Object.assign(controlled, {
    shake: (name?: string, ca?: string) => {
      const asked: ShakeOptions = { ...(name !== undefined && { name }), ...(ca && { ca }) }
      return shake(controlled.gateway.httpsPort, asked)
    },
  })
}

/** Ports at which a proxy in front names the client of a connection by the PROXY protocol. */
import { portsIn } from '../contract/guard/ports.js'
import type { ConfSettings } from './conf-settings.js'

type Proxied = Pick<ConfSettings, 'proxyProtocolPorts' | 'trustedProxies'>

/** What the `listen` of such a port has at its end. */
export const MARK = ' proxy_protocol'

export function proxiedMark({ proxyProtocolPorts }: Proxied, port: number): string {
  return portsIn(proxyProtocolPorts).includes(port) ? MARK : ''
}

/**
 * Who is believed, in a server of stream{} that listens at some of these ports; nothing where
 * nobody speaks the protocol.
 */
export function streamTrust(settings: Proxied, ports: number[]): string[] {
  return ports.some((port) => proxiedMark(settings, port) !== '')
    ? settings.trustedProxies.map((network) => `set_real_ip_from ${network};`)
    : []
}

/** The same in a server of http{}. */
export function httpTrust(settings: Proxied, port: number): string[] {
  const trust = streamTrust(settings, [port])
  return trust.length === 0 ? [] : [...trust, 'real_ip_header proxy_protocol;']
}

/** These lines as they stand in a server of `nginx.conf`. */
export function inServer(lines: string[]): string {
  return lines.map((line) => `        ${line}\n`).join('')
}

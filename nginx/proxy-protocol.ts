/** Proxies in front, which tell by the PROXY protocol or by a header whose connection it is. */
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

/**
 * The same in a server of http{}, where other proxies tell it by a header. `port`: undefined for
 * what stream{} hands on, with the client's address.
 */
export function httpTrust(
  settings: Proxied & Pick<ConfSettings, 'hasRealip'>,
  port: number | undefined,
): string[] {
  const trust = settings.trustedProxies.map((network) => `set_real_ip_from ${network};`)
  if (trust.length === 0 || !settings.hasRealip) {
    return []
  }
  return port !== undefined && proxiedMark(settings, port) !== ''
    ? [...trust, 'real_ip_header proxy_protocol;']
    : [...trust, 'real_ip_header X-Forwarded-For;', 'real_ip_recursive on;']
}

/** These lines as they stand in a server of `nginx.conf`. */
export function inServer(lines: string[]): string {
  return lines.map((line) => `        ${line}\n`).join('')
}

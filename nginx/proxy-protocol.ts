/** Proxies in front, which say by the PROXY protocol or by a header who the client is. */
import { portsIn } from '../contract/guard/ports.js'
import type { ConfSettings } from './conf-settings.js'

type Proxied = Pick<ConfSettings, 'proxyProtocolPorts' | 'trustedProxies'>

/** The option of `listen` at a port where the PROXY protocol is spoken. */
export const PROXY_PROTOCOL_OPTION = ' proxy_protocol'

export function proxyProtocolOption({ proxyProtocolPorts }: Proxied, port: number): string {
  return portsIn(proxyProtocolPorts).includes(port) ? PROXY_PROTOCOL_OPTION : ''
}

/**
 * Who is believed, in a server of stream{} that listens at some of these ports; nothing where
 * nobody speaks the protocol.
 */
export function streamTrust(settings: Proxied, ports: number[]): string[] {
  return ports.some((port) => proxyProtocolOption(settings, port) !== '')
    ? settings.trustedProxies.map((network) => `set_real_ip_from ${network};`)
    : []
}

/**
 * The same in a server of http{}, where other proxies say it by a header. `port`: undefined for
 * what stream{} hands off, with the client's address.
 */
export function httpTrust(
  settings: Proxied & Pick<ConfSettings, 'hasRealip'>,
  port: number | undefined,
): string[] {
  const trust = settings.trustedProxies.map((network) => `set_real_ip_from ${network};`)
  if (trust.length === 0 || !settings.hasRealip) {
    return []
  }
  return port !== undefined && proxyProtocolOption(settings, port) !== ''
    ? [...trust, 'real_ip_header proxy_protocol;']
    : [...trust, 'real_ip_header X-Forwarded-For;', 'real_ip_recursive on;']
}

/** These lines as they stand in a server of `nginx.conf`. */
export function inServer(lines: string[]): string {
  return lines.map((line) => `        ${line}\n`).join('')
}

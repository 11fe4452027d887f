/** Where Sluice itself listens. */
import { networkInterfaces } from 'node:os'
import { parseIp, printAddress, printIp } from '../contract/guard/address.js'
import { portsIn } from '../contract/guard/ports.js'
import type { Settings } from '../runtime/config/settings.js'

function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((found) => found ?? [])
  return all.flatMap(({ address }) => {
    const bytes = parseIp(address.replace(/%.*$/, ''))
    return bytes === null ? [] : [printIp(bytes)]
  })
}

function hostsOf(bind: string): string[] {
  const isWild = bind === '0.0.0.0' || bind === '::'
  return isWild ? [bind, '127.0.0.1', '::1', ...machineAddresses()] : [bind]
}

/** `127.0.0.1:8080`, …; of a wildcard address also all that the machine has. */
export function ownAddresses(settings: Settings): Set<string> {
  const { bind, httpPort, httpsPort, apiBind, apiPort, poolPort, streamPorts } = settings
  const own = new Set([printAddress('127.0.0.1', poolPort)])
  for (const host of hostsOf(apiBind)) {
    own.add(printAddress(host, apiPort))
  }
  for (const one of settings.serviceDns.addresses) {
    hostsOf(one.host).forEach((host) => own.add(printAddress(host, one.port)))
  }
  for (const host of hostsOf(bind)) {
    const ports = [httpPort, httpsPort, ...portsIn(streamPorts)]
    ports.forEach((port) => own.add(printAddress(host, port)))
  }
  return own
}

/**
 * What Sluice listens on, by address and port. A wildcard address stands for all addresses of the
 * machine, and for 127/8.
 */
export function isOwnAddress(own: ReadonlySet<string>, host: string, port: number): boolean {
  if (own.has(printAddress(host, port))) {
    return true
  }
  const wild = own.has(printAddress('0.0.0.0', port)) || own.has(printAddress('::', port))
  return wild && (parseIp(host)?.[0] === 127 || host === '::1')
}

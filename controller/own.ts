/** Where Sluice itself listens. */
import { networkInterfaces } from 'node:os'
import { parseIp, printAddress, printIp } from '../contract/address.js'
import { portsIn } from '../contract/ports.js'
import type { Settings } from '../runtime/settings.js'

function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((found) => found ?? [])
  return all.flatMap(({ address }) => {
    const bytes = parseIp(address.replace(/%.*$/, ''))
    return bytes === null ? [] : [printIp(bytes)]
  })
}

/** `127.0.0.1:8080`, …; of a wildcard address also all that the machine has. */
export function ownAddresses(settings: Settings): Set<string> {
  const { bind, httpPort, httpsPort, apiPort, poolPort, streamPorts } = settings
  const ports = [httpPort, httpsPort, apiPort, ...portsIn(streamPorts)]
  const isWild = bind === '0.0.0.0' || bind === '::'
  const hosts = isWild ? [bind, '127.0.0.1', '::1', ...machineAddresses()] : [bind]
  const own = new Set([printAddress('127.0.0.1', poolPort)])
  for (const host of hosts) {
    ports.forEach((port) => own.add(printAddress(host, port)))
  }
  return own
}

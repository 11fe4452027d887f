/** Addresses for private networks that are free on this machine. */
import { readFileSync } from 'node:fs'

/** Addresses for a private network that no route of this machine leads to yet. */
export interface Subnets {
  /** The bridge's own address, with its prefix length. */
  bridge: string
  containers: string
  /** Both ends of the link between this machine and the private network. */
  host: string
  inside: string
}

export function unusedSubnets(): Subnets {
  const taken = routedPrefixes()
  for (;;) {
    const second = 128 + Math.floor(Math.random() * 120)
    const third = 2 * Math.floor(Math.random() * 127)
    const containers = `10.${second}.${third}`
    const link = `10.${second}.${third + 1}`
    if (taken.has(containers) || taken.has(link)) {
      continue
    }
    return {
      bridge: `${containers}.1/24`,
      containers: `${containers}.0/24`,
      host: `${link}.1`,
      inside: `${link}.2`,
    }
  }
}

/** The first three bytes of every destination; the kernel writes them in reverse. */
function routedPrefixes(): Set<string> {
  const lines = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1)
  const destinations = lines.map((line) => line.split('\t')[1] ?? '')
  return new Set(
    destinations.map((hex) => {
      const bytes = (hex.match(/../g) ?? []).map((byte) => parseInt(byte, 16))
      return bytes.reverse().slice(0, 3).join('.')
    }),
  )
}

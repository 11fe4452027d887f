/** Hosts that are names: what they resolve to, asked again from time to time. */
import { lookup } from 'node:dns/promises'
import { parseIp } from '../../../contract/guard/address.js'

const AGAIN_MS = 30_000

interface KnownName {
  /** The last one that was found. */
  address: string | undefined
  askedAtMs: number
}

export function isIpLiteral(host: string): boolean {
  return parseIp(host) !== null
}

export class HostNames {
  #known = new Map<string, KnownName>()

  addressOf(host: string): string | undefined {
    return this.#known.get(host)?.address
  }

  /**
   * Asks for those that are new or were asked long ago, and forgets the others. Resolves with
   * whether there are any. Never rejects: a name that cannot be resolved keeps its address.
   */
  async follow(hosts: Iterable<string>): Promise<boolean> {
    const wanted = new Set([...hosts].filter((host) => !isIpLiteral(host)))
    this.#known = new Map([...this.#known].filter(([host]) => wanted.has(host)))
    await Promise.all([...wanted].map((host) => this.#learn(host)))
    return wanted.size > 0
  }

  async #learn(host: string): Promise<void> {
    const known = this.#known.get(host)
    if (known !== undefined && Date.now() - known.askedAtMs < AGAIN_MS) {
      return
    }
    const before = known?.address
    this.#known.set(host, { address: before, askedAtMs: Date.now() })
    try {
      const { address } = await lookup(host)
      this.#known.set(host, { address, askedAtMs: Date.now() })
    } catch {
      // The level says which names have no address.
    }
  }
}

/** Who serves, and who does when those cannot. Pure. */
import type { Policy } from '../../contract/record/policy.js'
import type { Peer } from './peers.js'

export interface Tiers {
  /** Those that requests are shared out among; empty when nobody is up. */
  main: Peer[]
  /** Asked when none of those can serve, in this order. */
  spill: Peer[]
}

/**
 * The gateway's own zone comes before the others, and backups come after all of them. A tier
 * without anybody up is skipped, so the next one moves up. An instance that names no zone counts as
 * far away. `zone`: the gateway's own; undefined where it has none.
 */
export function tiersOf(peers: Peer[], policy: Policy, zone: string | undefined): Tiers {
  const alike = zone === undefined || policy.zone === 'ignore'
  const tiers: Peer[][] = [[], [], [], []]
  for (const peer of peers) {
    if (peer.up) {
      const far = alike || peer.zone === zone ? 0 : 1
      tiers[peer.backup ? 2 + far : far]?.push(peer)
    }
  }
  const [main = [], ...spill] = tiers.filter((tier) => tier.length > 0)
  return { main, spill: spill.flat() }
}

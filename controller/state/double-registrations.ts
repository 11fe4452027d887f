/**
 * Warns of what is registered twice: an address in several upstreams, an instance by several
 * agents. Both may be meant (a process that serves two names), and are often a mistake.
 */
import { printAddress } from '../../contract/guard/address.js'
import type { Logger } from '../../runtime/logger.js'
import type { KnownRecord } from './known-records.js'

/** Of the upstreams that share an address. */
const MOST_NAMED = 5

/** Each of the first few; then whenever they are twice as many, for a thousand may share one. */
function isWorthALine(upstreams: number): boolean {
  return upstreams > 1 && (upstreams <= MOST_NAMED || Number.isInteger(Math.log2(upstreams)))
}

export class DoubleRegistrations {
  readonly #log: Logger
  /** Address → upstream → how many of its instances have it. */
  readonly #users = new Map<string, Map<string, number>>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** A record takes the place of another; undefined: there was none, or it goes. */
  replace(before: KnownRecord | undefined, after: KnownRecord | undefined): void {
    if (before?.kind === 'instances') {
      this.#remove(printAddress(before.record.host, before.record.port), before.upstream)
    }
    if (after?.kind !== 'instances') {
      return
    }
    this.#add(printAddress(after.record.host, after.record.port), after.upstream)
    const was = before?.kind === 'instances' ? before.record.agent : undefined
    const agent = after.record.agent
    if (was !== undefined && agent !== undefined && was !== agent) {
      const { upstream, id } = after
      this.#log.warn(
        { upstream, id, agents: [was, agent] },
        'two agents register one instance; the last one wins',
      )
    }
  }

  #add(address: string, upstream: string): void {
    const users = this.#users.get(address) ?? new Map<string, number>()
    const count = users.get(upstream) ?? 0
    users.set(upstream, count + 1)
    this.#users.set(address, users)
    if (count === 0 && isWorthALine(users.size)) {
      const others = [...users.keys()].filter((name) => name !== upstream).slice(0, MOST_NAMED)
      this.#log.warn(
        { address, upstream, others, upstreams: users.size },
        'one address is registered in several upstreams',
      )
    }
  }

  #remove(address: string, upstream: string): void {
    const users = this.#users.get(address)
    const left = (users?.get(upstream) ?? 0) - 1
    if (users === undefined) {
      return
    }
    if (left > 0) {
      users.set(upstream, left)
    } else {
      users.delete(upstream)
    }
    if (users.size === 0) {
      this.#users.delete(address)
    }
  }
}

/**
 * Which upstreams register an address. Two may share one (a process that serves two names), but it
 * is often a mistake.
 */
import type { Logger } from '../../runtime/logger.js'

/** Of the upstreams that share an address. */
const MOST_NAMED = 5

/** Each of the first few; then whenever they are twice as many, for a thousand may share one. */
function isWorthALine(upstreams: number): boolean {
  return upstreams > 1 && (upstreams <= MOST_NAMED || Number.isInteger(Math.log2(upstreams)))
}

export class Addresses {
  readonly #log: Logger
  readonly #users = new Map<string, Map<string, number>>()

  constructor(log: Logger) {
    this.#log = log
  }

  add(address: string, upstream: string): void {
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

  remove(address: string, upstream: string): void {
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

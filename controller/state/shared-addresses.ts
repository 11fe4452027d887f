/**
 * Which upstreams register an address. Two may share one (a process that serves two names), but it
 * is often a mistake.
 */
import type { Logger } from '../../runtime/logger.js'

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
    if (count === 0 && users.size > 1) {
      const others = [...users.keys()].filter((name) => name !== upstream)
      this.#log.warn(
        { address, upstream, others },
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

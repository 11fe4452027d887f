/**
 * Leases of instances that came with `ttlMs`: one each, granted at the first put, started anew by
 * every further one. They are remembered here only to spare the registry a write; who finds no
 * lease grants a new one, so a restart or another controller in between costs a write and nothing
 * else.
 */
import type { Lease, Registry } from '../../../registry/registry.js'

interface Held {
  lease: Lease
  ttlMs: number
  /**
   * Revision at which the key was put under this lease; if the key's differs, somebody else has put
   * it since.
   */
  revision: number
}

export class InstanceLeases {
  readonly #registry: Registry
  readonly #held = new Map<string, Held>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /**
   * The lease that the key stands under at this revision, with its time started anew; undefined:
   * grant one.
   */
  async renewed(key: string, ttlMs: number, revision: number): Promise<Lease | undefined> {
    const held = this.#held.get(key)
    if (held === undefined || held.ttlMs !== ttlMs || held.revision !== revision) {
      return undefined
    }
    try {
      await held.lease.renew()
      return held.lease
    } catch {
      // It is gone, or nobody knows. A new lease serves either way.
      return undefined
    }
  }

  async grant(ttlMs: number): Promise<Lease> {
    return this.#registry.grant({ ttlMs, keepAlive: false })
  }

  /** The key stands under the lease since `revision`. */
  hold(key: string, lease: Lease, ttlMs: number, revision: number): void {
    const before = this.#held.get(key)
    if (before !== undefined && before.revision > revision) {
      return
    }
    this.#held.set(key, { lease, ttlMs, revision })
    if (before !== undefined && before.lease !== lease) {
      void quietly(before.lease.release())
    }
    void lease.lost.then(() => {
      if (this.#held.get(key)?.lease === lease) {
        this.#held.delete(key)
      }
    })
  }

  /** The key stands under no lease of ours any more. */
  forget(key: string): void {
    const held = this.#held.get(key)
    this.#held.delete(key)
    if (held !== undefined) {
      void quietly(held.lease.release())
    }
  }
}

/** Nothing hangs on the outcome: a lease that nobody renews ends by itself. */
export async function quietly(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch {
    return
  }
}

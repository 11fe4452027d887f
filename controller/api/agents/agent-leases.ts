/** Leases that were granted over HTTP. */
import { SluiceError } from '../../../runtime/errors.js'
import type { Lease, Registry } from '../../../registry/registry.js'

/**
 * Leases that agents on other machines renew through this controller. They are remembered only for
 * the calls to come: after a restart, or at another controller, a lease is taken up by its id.
 */
export class AgentLeases {
  readonly #registry: Registry
  readonly #held = new Map<string, Lease>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  async grant(ttlMs: number): Promise<string> {
    const lease = await this.#registry.grant({ ttlMs, keepAlive: false })
    this.#hold(lease)
    return lease.id
  }

  /** Rejects with `not_found` when it is gone. */
  async renew(id: string, ttlMs: number): Promise<void> {
    const held = this.#held.get(id)
    if (held === undefined) {
      await this.#adopt(id, ttlMs)
    } else {
      await held.renew()
    }
  }

  /**
   * Rejects with `not_found` when it is gone. One that is not remembered is taken up, which starts
   * its time anew.
   */
  async ask(id: string, ttlMs: number): Promise<void> {
    if (!this.#held.has(id)) {
      await this.#adopt(id, ttlMs)
    }
  }

  async revoke(id: string): Promise<void> {
    try {
      const lease = this.#held.get(id) ?? (await this.#adopt(id, 60_000))
      this.#held.delete(id)
      await lease.revoke()
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'not_found') {
        return
      }
      throw error
    }
  }

  async #adopt(id: string, ttlMs: number): Promise<Lease> {
    const lease = await this.#registry.adopt(id, { ttlMs, keepAlive: false })
    this.#hold(lease)
    return lease
  }

  #hold(lease: Lease): void {
    this.#held.set(lease.id, lease)
    void lease.lost.then(() => {
      if (this.#held.get(lease.id) === lease) {
        this.#held.delete(lease.id)
      }
    })
  }
}

import type { LeaseClock } from './lease-clock.js'
import { leaseGone } from '../operations.js'
import type { Lease } from '../registry.js'

/** A hold on one lease of the embedded registry. */
export class EmbeddedLease implements Lease {
  readonly id: string
  readonly lost: Promise<void>
  readonly #clock: LeaseClock
  readonly #revoke: () => Promise<void>
  #forget: () => void = () => undefined
  #renewer: NodeJS.Timeout | undefined

  constructor(id: string, clock: LeaseClock, keepAlive: boolean, revoke: () => Promise<void>) {
    this.id = id
    this.#clock = clock
    this.#revoke = revoke
    this.lost = new Promise((resolve) => {
      this.#forget = clock.onLost(id, () => {
        clearInterval(this.#renewer)
        resolve()
      })
    })
    const ttlMs = clock.ttlMs(id)
    if (keepAlive && ttlMs !== undefined) {
      this.#renewer = setInterval(() => clock.renew(id), ttlMs / 3).unref()
    }
  }

  async renew(): Promise<void> {
    if (!this.#clock.renew(this.id)) {
      throw leaseGone(this.id)
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#renewer)
    this.#forget()
  }

  /** When it rejects, nobody renews the lease any more, so that it ends by itself. */
  async revoke(): Promise<void> {
    await this.release()
    await this.#revoke()
  }
}

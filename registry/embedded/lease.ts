/** A lease of the embedded registry. */
import type { LeaseClock } from './lease-clock.js'
import type { Lease } from '../registry.js'

export interface EmbeddedLeaseOptions {
  id: string
  clock: LeaseClock
  keepAlive: boolean
  /** Gives it its full time again. Rejects with `not_found` when it is gone. */
  renew(): Promise<void>
  revoke(): Promise<void>
}

/** One lease of the embedded registry, as its holder has it. */
export class EmbeddedLease implements Lease {
  readonly id: string
  readonly lost: Promise<void>
  readonly #options: EmbeddedLeaseOptions
  #forget: () => void = () => undefined
  #renewer: NodeJS.Timeout | undefined

  constructor(options: EmbeddedLeaseOptions) {
    const { id, clock, keepAlive } = options
    this.id = id
    this.#options = options
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
    await this.#options.renew()
  }

  async release(): Promise<void> {
    clearInterval(this.#renewer)
    this.#forget()
  }

  /** When it rejects, nobody renews the lease any more, so that it ends by itself. */
  async revoke(): Promise<void> {
    await this.release()
    await this.#options.revoke()
  }
}

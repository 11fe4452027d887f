/** Writes what this controller's gateway has to `gateways/<id>`, under a lease. */
import type { GatewayRecord } from '../../contract/record/records.js'
import { printKey } from '../../contract/keys.js'
import type { Lease, Registry } from '../../registry/registry.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'

export interface PublishOptions {
  id: string
  registry: Registry
  log: Logger
  /** What is published, as of now; undefined: nothing yet. */
  read(): Promise<GatewayRecord | undefined>
  /** Changes within this time are one write: short while others wait for it. */
  debounceMs(): number
}

const LEASE_MS = 15_000
const RETRY = { firstMs: 500, mostMs: 10_000 }

export class Publisher {
  readonly #options: PublishOptions
  readonly #loop: Loop
  #lease: Lease | undefined
  #written: string | undefined

  constructor(options: PublishOptions) {
    this.#options = options
    this.#loop = new Loop({
      round: (loop) => this.#round(loop),
      // The registry is away; what others know of this gateway grows old, and its lease may end.
      onError: (error) =>
        options.log.debug({ error: messageOf(error) }, 'gateway record not written'),
      retry: RETRY,
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** It may have changed. */
  wake(): void {
    this.#loop.bell.ring()
  }

  /** Ends the lease, so that nobody waits for a gateway without a controller. */
  async close(): Promise<void> {
    await this.#loop.close()
    try {
      await this.#lease?.revoke()
    } catch (error) {
      // It runs out by itself.
      this.#options.log.debug({ error: messageOf(error) }, 'lease not revoked')
    }
  }

  async #round({ bell, signal }: Loop): Promise<void> {
    await this.#write()
    await bell.wait(60_000)
    await pause(this.#options.debounceMs(), signal)
  }

  async #write(): Promise<void> {
    const record = await this.#options.read()
    const value = JSON.stringify(record)
    if (record === undefined || (value === this.#written && this.#lease !== undefined)) {
      return
    }
    const lease = this.#lease ?? (await this.#grant())
    const key = printKey({ kind: 'gateways', id: this.#options.id })
    try {
      await this.#options.registry.commit([{ type: 'put', key, value, lease: lease.id }])
      this.#written = value
    } catch (error) {
      // Not known to have happened; and the lease may be what is missing.
      this.#written = undefined
      this.#lease = undefined
      await lease.release().catch(() => undefined)
      throw error
    }
  }

  async #grant(): Promise<Lease> {
    const lease = await this.#options.registry.grant({ ttlMs: LEASE_MS })
    this.#lease = lease
    void lease.lost.then(() => {
      if (this.#lease === lease) {
        this.#lease = undefined
        this.wake()
      }
    })
    return lease
  }
}

/** The one lease of an agent: adopted from its earlier life, else granted; anew when it is lost. */
import type { Lease, Registry } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import type { LeaseMemo } from './lease-memo.js'

export interface HeldLeaseOptions {
  registry: Registry
  ttlMs: number
  memo: LeaseMemo
  log: Logger
  onLost: () => void
}

export class HeldLease {
  readonly #options: HeldLeaseOptions
  #lease: Lease | undefined
  #settled = false

  constructor(options: HeldLeaseOptions) {
    this.#options = options
  }

  get lease(): Lease | undefined {
    return this.#lease
  }

  /** Whether everything that is ours stands under the lease, and the memo says so. */
  get settled(): boolean {
    return this.#settled
  }

  /** Rejects when the registry is away. */
  async acquire(): Promise<Lease> {
    const { registry, memo, ttlMs, log, onLost } = this.#options
    const old = await memo.read()
    const adopted = old === undefined ? undefined : await this.#adopt(old)
    if (adopted === undefined) {
      await memo.forget()
    }
    const lease = adopted ?? (await registry.grant({ ttlMs }))
    this.#lease = lease
    this.#settled = adopted !== undefined
    // Never rejects, by contract.
    void lease.lost.then(() => {
      if (this.#lease === lease) {
        log.warn({ lease: lease.id }, 'lease lost; registering everything again')
        this.drop()
        onLost()
      }
    })
    log.info({ lease: lease.id, adopted: adopted !== undefined }, 'lease held')
    return lease
  }

  /** From now on the next life may adopt the lease. Nothing happens when it was lost meanwhile. */
  async settle(lease: Lease): Promise<void> {
    if (!this.#settled && this.#lease === lease) {
      this.#settled = true
      await this.#options.memo.write(lease.id)
    }
  }

  /** The registry says that it is gone. */
  drop(): void {
    this.#lease = undefined
    this.#settled = false
  }

  /** The records stay for the next life, until their time is over. */
  async release(): Promise<void> {
    const lease = this.#lease
    this.#lease = undefined
    await lease?.release()
  }

  async #adopt(id: string): Promise<Lease | undefined> {
    try {
      return await this.#options.registry.adopt(id, { ttlMs: this.#options.ttlMs })
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'not_found') {
        return undefined
      }
      throw error
    }
  }
}

/**
 * Writes what this controller's gateway has to `gateways/<id>`, and `presence/<id>` under a lease.
 * The record outlives the lease: a gateway whose controller is gone may still serve.
 */
import type { GatewayRecord, PresenceRecord } from '../../contract/record/gateway-record.js'
import { printKey } from '../../contract/keys.js'
import type { Lease, Registry, RegistryOperation } from '../../registry/registry.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'

export interface PublishOptions {
  id: string
  registry: Registry
  log: Logger
  /** What is published, as of now. */
  read(): Promise<GatewayRecord>
  /** Changes within this time are one write: short while others wait for it. */
  debounceMs(): number
}

const LEASE_MS = 15_000
const RETRY = { firstMs: 500, mostMs: 3000 }

export class Publisher {
  readonly #options: PublishOptions
  readonly #loop: Loop
  readonly #recordKey: string
  readonly #presenceKey: string
  readonly #sinceAtMs = Date.now()
  #lease: Lease | undefined
  #written: string | undefined
  #isLeaving = false
  #problem: string | undefined

  constructor(options: PublishOptions) {
    this.#options = options
    this.#recordKey = printKey({ kind: 'gateways', id: options.id })
    this.#presenceKey = printKey({ kind: 'presence', id: options.id })
    this.#loop = new Loop({
      round: (loop) => this.#round(loop),
      // The registry is away; what others know of this gateway grows old, and its lease may end.
      onError: (error) => this.#failed(error),
      retry: RETRY,
    })
  }

  /** Why the record was not written the last time; undefined when it was. */
  get problem(): string | undefined {
    return this.#problem
  }

  start(): void {
    this.#loop.start()
  }

  /** It may have changed. */
  wake(): void {
    this.#loop.bell.ring()
  }

  /** Somebody deleted the record, though this gateway is here: it is written again. */
  rewrite(): void {
    this.#written = undefined
    this.wake()
  }

  /** nginx ends with this process: with the lease goes the record. */
  leave(): void {
    this.#isLeaving = true
  }

  /**
   * Ends the lease. Without {@link leave} the record stays, for nginx serves on, and nobody may
   * take a change for applied there.
   */
  async close(): Promise<void> {
    await this.#loop.close()
    try {
      if (this.#isLeaving) {
        await this.#options.registry.commit([{ type: 'delete', key: this.#recordKey }])
      }
      await this.#lease?.revoke()
    } catch (error) {
      // The lease runs out by itself; a record that stays can be forgotten.
      this.#options.log.warn(
        { error: messageOf(error) },
        'the record of this gateway could not be removed from the registry',
      )
    }
  }

  async #round({ bell, signal }: Loop): Promise<void> {
    await this.#write()
    this.#problem = undefined
    await bell.wait(60_000)
    await pause(this.#options.debounceMs(), signal)
  }

  #failed(error: unknown): void {
    const { log } = this.#options
    const write = this.#problem === undefined ? log.warn.bind(log) : log.debug.bind(log)
    this.#problem = messageOf(error)
    write({ error: this.#problem }, 'gateway record not written; others see an old one')
  }

  async #write(): Promise<void> {
    const record = await this.#options.read()
    const text = JSON.stringify(record)
    if (text === this.#written && this.#lease !== undefined) {
      return
    }
    const lease = this.#lease ?? (await this.#grant())
    const value = JSON.stringify({ ...record, atMs: Date.now() })
    const presence: PresenceRecord = { sinceAtMs: this.#sinceAtMs }
    const operations: RegistryOperation[] = [{ type: 'put', key: this.#recordKey, value }]
    if (this.#written === undefined) {
      const present = JSON.stringify(presence)
      operations.push({ type: 'put', key: this.#presenceKey, value: present, lease: lease.id })
    }
    try {
      await this.#options.registry.commit(operations)
      this.#written = text
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
        this.rewrite()
      }
    })
    return lease
  }
}

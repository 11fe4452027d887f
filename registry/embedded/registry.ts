/**
 * The registry of one machine: a LevelDB folder open in the controller alone, and all of it in
 * memory.
 */
import { randomBytes } from 'node:crypto'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { EmbeddedLease } from './lease.js'
import { LeaseClock } from './lease-clock.js'
import { EmbeddedState } from './state.js'
import type { EmbeddedDraft } from './state.js'
import { EmbeddedStore } from './store.js'
import { EmbeddedWatches } from './watches.js'
import { EmbeddedWriter } from './writer.js'
import { leaseGone, refuseDoubles } from '../operations.js'
import type {
  Lease,
  LeaseOptions,
  Listing,
  Lookup,
  Registry,
  RegistryOperation,
  Watch,
  WatchHandlers,
} from '../registry.js'

export interface EmbeddedOptions {
  /** Where the store is; made if absent. */
  folder: string
  log: Logger
}

/** Between tries to write that a lease has ended. */
const EXPIRY_RETRY_MS = 1000

/**
 * Rejects with `conflict` when another process has the store open, with `internal` when it is
 * unreadable.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Registry> {
  const { store, content } = await EmbeddedStore.open(options.folder, options.log)
  return new EmbeddedRegistry(store, new EmbeddedState(content), options)
}

class EmbeddedRegistry implements Registry {
  readonly #options: EmbeddedOptions
  readonly #watches: EmbeddedWatches
  readonly #clock = new LeaseClock((id) => this.#expire(id))
  readonly #writer: EmbeddedWriter
  #closed = false

  constructor(store: EmbeddedStore, state: EmbeddedState, options: EmbeddedOptions) {
    this.#options = options
    this.#watches = new EmbeddedWatches(options.log)
    this.#writer = new EmbeddedWriter(store, state, {
      ...options,
      onWritten: (draft) => this.#follow(draft),
      onBroken: (reason) => this.#watches.connected(false, reason),
      onHealed: () => {
        this.#followLeases()
        this.#watches.relist()
      },
    })
    this.#followLeases()
  }

  async get(key: string): Promise<Lookup> {
    this.#requireOpen()
    return this.#writer.state.lookup(key)
  }

  async list(prefix: string): Promise<Listing> {
    this.#requireOpen()
    return this.#writer.state.listing([prefix])
  }

  async commit(operations: RegistryOperation[]): Promise<{ revision: number }> {
    refuseDoubles(operations)
    return { revision: await this.#step((draft) => draft.commit(operations)) }
  }

  watch(prefixes: string[], handlers: WatchHandlers): Watch {
    const listing = () => this.#writer.state.listing(prefixes)
    const close = this.#watches.add(prefixes, handlers, listing, () => this.#writer.broken)
    return { close: async () => close() }
  }

  writeProblem(): string | undefined {
    return this.#writer.broken
  }

  async grant({ ttlMs, keepAlive = true }: LeaseOptions): Promise<Lease> {
    const id = randomBytes(8).toString('hex')
    await this.#step((draft) => {
      draft.grant(id, ttlMs)
      return draft.revision
    })
    return this.#lease(id, keepAlive)
  }

  async adopt(id: string, { keepAlive = true }: LeaseOptions): Promise<Lease> {
    this.#requireOpen()
    await this.#renew(id)
    return this.#lease(id, keepAlive)
  }

  async close(): Promise<void> {
    if (this.#closed) {
      return
    }
    this.#closed = true
    this.#clock.stop()
    this.#watches.clear()
    await this.#writer.close()
  }

  async #step(run: (draft: EmbeddedDraft) => number): Promise<number> {
    this.#requireOpen()
    return this.#writer.step(run)
  }

  #lease(id: string, keepAlive: boolean): Lease {
    const revoke = async () => {
      await this.#step((draft) => {
        draft.endLease(id, false)
        return draft.revision
      })
    }
    const renew = () => this.#renew(id)
    return new EmbeddedLease({ id, clock: this.#clock, keepAlive, renew, revoke })
  }

  /**
   * A renewal waits its turn among commits and expiries. An expiry that is being written when it
   * comes is over before it, so no renewal is acknowledged for a lease that is gone.
   */
  async #renew(id: string): Promise<void> {
    await this.#step((draft) => {
      if (!draft.hasLease(id) || !this.#clock.renew(id)) {
        throw leaseGone(id)
      }
      return draft.revision
    })
  }

  #expire(id: string): void {
    const run = (draft: EmbeddedDraft) => {
      // It may have been renewed while this step waited.
      if (this.#clock.isDue(id)) {
        draft.endLease(id, true)
      }
      return draft.revision
    }
    this.#step(run).catch((error: unknown) => {
      if (this.#closed) {
        return
      }
      this.#options.log.warn({ lease: id, error: messageOf(error) }, 'expiry could not be written')
      setTimeout(() => this.#clock.isDue(id) && this.#expire(id), EXPIRY_RETRY_MS).unref()
    })
  }

  /** What was written takes effect. */
  #follow(draft: EmbeddedDraft): void {
    for (const [id, ttlMs] of draft.leases) {
      if (ttlMs === undefined) {
        this.#clock.end(id)
      } else {
        this.#clock.start(id, ttlMs)
      }
    }
    this.#watches.changed(draft.changes, draft.revision)
  }

  /** Leases that the store has run, and no other. */
  #followLeases(): void {
    const { leases } = this.#writer.state
    for (const id of this.#clock.ids()) {
      if (!leases.has(id)) {
        this.#clock.end(id)
      }
    }
    for (const [id, ttlMs] of leases) {
      if (!this.#clock.has(id)) {
        this.#clock.start(id, ttlMs)
      }
    }
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new SluiceError('registry_unavailable', 'the registry was closed')
    }
  }
}

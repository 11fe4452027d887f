/**
 * The registry of one machine: a LevelDB folder open in the controller alone, and all of it in
 * memory.
 */
import { randomBytes } from 'node:crypto'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { EmbeddedLease } from './lease.js'
import { LeaseClock } from './lease-clock.js'
import { EmbeddedDraft, EmbeddedState } from './state.js'
import { EmbeddedStore } from './store.js'
import { EmbeddedWatches } from './watches.js'
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

/**
 * One step of the next batch. `run` drafts it, or throws. `done` or `failed` is called once the
 * batch is durable, or is not.
 */
interface Step {
  run(draft: EmbeddedDraft): number
  done(revision: number): void
  failed(error: unknown): void
}

/** So that the last of a long queue is not kept waiting by one enormous batch. */
const MOST_STEPS = 2000
const HEAL_MS = 1000

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
  #store: EmbeddedStore
  #state: EmbeddedState
  #queue: Step[] = []
  #busy = false
  #working: Promise<void> = Promise.resolve()
  /** Why nothing can be written just now. */
  #broken: string | undefined
  #healTimer: NodeJS.Timeout | undefined
  #healDue = false
  #closed = false

  constructor(store: EmbeddedStore, state: EmbeddedState, options: EmbeddedOptions) {
    this.#store = store
    this.#state = state
    this.#options = options
    this.#watches = new EmbeddedWatches(options.log)
    this.#followLeases()
  }

  async get(key: string): Promise<Lookup> {
    this.#requireOpen()
    return this.#state.lookup(key)
  }

  async list(prefix: string): Promise<Listing> {
    this.#requireOpen()
    return this.#state.listing([prefix])
  }

  async commit(operations: RegistryOperation[]): Promise<{ revision: number }> {
    refuseDoubles(operations)
    return { revision: await this.#step((draft) => draft.commit(operations)) }
  }

  watch(prefixes: string[], handlers: WatchHandlers): Watch {
    const listing = () => this.#state.listing(prefixes)
    const close = this.#watches.add(prefixes, handlers, listing, () => this.#broken)
    return { close: async () => close() }
  }

  writeProblem(): string | undefined {
    return this.#broken
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
    clearTimeout(this.#healTimer)
    await this.#working
    await this.#store.close()
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
      setTimeout(() => this.#clock.isDue(id) && this.#expire(id), HEAL_MS).unref()
    })
  }

  #step(run: (draft: EmbeddedDraft) => number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#requireOpen()
      this.#queue.push({ run, done: resolve, failed: reject })
      this.#wake()
    })
  }

  #wake(): void {
    if (this.#busy) {
      return
    }
    this.#busy = true
    this.#working = this.#work()
  }

  /**
   * The one writer. What comes while a batch is being written goes into the next one. Never
   * rejects.
   */
  async #work(): Promise<void> {
    while (this.#queue.length > 0 || this.#healDue) {
      if (this.#healDue) {
        await this.#heal()
      } else {
        await this.#writeSome(this.#queue.splice(0, MOST_STEPS))
      }
    }
    this.#busy = false
  }

  async #writeSome(steps: Step[]): Promise<void> {
    const draft = new EmbeddedDraft(this.#state)
    const drafted = steps.flatMap((step) => this.#draft(step, draft))
    try {
      await this.#write(draft)
    } catch (error) {
      for (const [step] of drafted) {
        step.failed(unwritten(this.#options.folder, error))
      }
      return
    }
    for (const [step, revision] of drafted) {
      step.done(revision)
    }
  }

  #draft(step: Step, draft: EmbeddedDraft): Array<[Step, number]> {
    try {
      return [[step, step.run(draft)]]
    } catch (error) {
      step.failed(error)
      return []
    }
  }

  async #write(draft: EmbeddedDraft): Promise<void> {
    if (draft.empty) {
      return
    }
    if (this.#broken !== undefined) {
      throw new Error(this.#broken)
    }
    try {
      await this.#store.write(draft)
    } catch (error) {
      this.#fail(messageOf(error))
      throw error
    }
    this.#state.adopt(draft)
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
    const { leases } = this.#state
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

  /**
   * After a failed write only the disk knows what it holds. Nothing more is written until it was
   * read afresh.
   */
  #fail(reason: string): void {
    this.#broken = reason
    this.#options.log.error({ folder: this.#options.folder, reason }, 'registry cannot be written')
    this.#watches.connected(false, reason)
    this.#healLater()
  }

  #healLater(): void {
    if (this.#closed) {
      return
    }
    this.#healTimer = setTimeout(() => {
      this.#healDue = true
      this.#wake()
    }, HEAL_MS).unref()
  }

  async #heal(): Promise<void> {
    const { folder, log } = this.#options
    this.#healDue = false
    try {
      await this.#store.close()
      const { store, content } = await EmbeddedStore.open(folder, log)
      this.#store = store
      // A batch of nothing but the revision: shows that the disk takes writes again.
      await store.write({ revision: content.revision, entries: new Map(), leases: new Map() })
      this.#state = new EmbeddedState(content)
    } catch (error) {
      log.debug({ folder, error: messageOf(error) }, 'registry still cannot be written')
      this.#healLater()
      return
    }
    this.#broken = undefined
    this.#followLeases()
    log.info({ folder }, 'registry can be written again')
    this.#watches.relist()
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new SluiceError('registry_unavailable', 'the registry was closed')
    }
  }
}

function unwritten(folder: string, cause: unknown): SluiceError {
  const message = `the registry in ${folder} could not be written: ${messageOf(cause)}`
  return new SluiceError('registry_unavailable', message, { cause, retryable: true })
}

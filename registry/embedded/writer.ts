/** The one writer of the embedded registry: its steps in batches, and what heals a failed write. */
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { EmbeddedDraft, EmbeddedState } from './state.js'
import { EmbeddedStore } from './store.js'

export interface WriterOptions {
  folder: string
  log: Logger
  /** A batch is durable, and the state has it. */
  onWritten(draft: EmbeddedDraft): void
  /** Nothing can be written just now. */
  onBroken(reason: string): void
  /** The state was read afresh. */
  onHealed(): void
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

export class EmbeddedWriter {
  readonly #options: WriterOptions
  #store: EmbeddedStore
  #state: EmbeddedState
  #queue: Step[] = []
  #busy = false
  #working: Promise<void> = Promise.resolve()
  #broken: string | undefined
  #healTimer: NodeJS.Timeout | undefined
  #healDue = false
  #closed = false

  constructor(store: EmbeddedStore, state: EmbeddedState, options: WriterOptions) {
    this.#store = store
    this.#state = state
    this.#options = options
  }

  /** What is durable. */
  get state(): EmbeddedState {
    return this.#state
  }

  /** Why nothing can be written just now. */
  get broken(): string | undefined {
    return this.#broken
  }

  /** Rejects with `registry_unavailable` when it cannot be written, and with what `run` throws. */
  step(run: (draft: EmbeddedDraft) => number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ run, done: resolve, failed: reject })
      this.#wake()
    })
  }

  /** Ends what waits, and closes the store. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#healTimer)
    await this.#working
    await this.#store.close()
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
    this.#options.onWritten(draft)
  }

  /**
   * After a failed write only the disk knows what it holds. Nothing more is written until it was
   * read afresh.
   */
  #fail(reason: string): void {
    this.#broken = reason
    this.#options.log.error({ folder: this.#options.folder, reason }, 'registry cannot be written')
    this.#options.onBroken(reason)
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
    log.info({ folder }, 'registry can be written again')
    this.#options.onHealed()
  }
}

function unwritten(folder: string, cause: unknown): SluiceError {
  const message = `the registry in ${folder} could not be written: ${messageOf(cause)}`
  return new SluiceError('registry_unavailable', message, { cause, retryable: true })
}

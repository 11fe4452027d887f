/**
 * The one way in which a part works in rounds, from its start until it is closed. What keeps a
 * connection (to an engine, to etcd, to a controller) is another thing: it waits between its
 * connections even where they end well, and the first sign of life makes that wait short.
 */
import { Doorbell } from './doorbell.js'
import { Backoff, pause } from './retry.js'
import type { BackoffOptions } from './retry.js'

export interface LoopOptions {
  /** One round. It waits for its work itself: by the bell, or with {@link pause} and the signal. */
  round(loop: Loop): Promise<void>
  /** What a round rejected with. The next one begins after a delay that grows with each failure. */
  onError(error: unknown): void
  retry: BackoffOptions
}

/** Rounds never overlap. A round that ends well makes the next delay short again. */
export class Loop {
  /** Rung by whoever has work for the next round, and at the end. */
  readonly bell = new Doorbell()
  readonly #options: LoopOptions
  readonly #stop = new AbortController()
  readonly #backoff: Backoff
  #running: Promise<void> | undefined

  constructor(options: LoopOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.retry)
  }

  /** Aborts at {@link close}. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get isClosed(): boolean {
    return this.#stop.signal.aborted
  }

  /** Once; further calls change nothing. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when the round under way has ended. Never rejects. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.bell.ring()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.isClosed) {
      try {
        await this.#options.round(this)
        this.#backoff.reset()
      } catch (error) {
        this.#options.onError(error)
        await pause(this.#backoff.nextMs(), this.signal)
      }
    }
  }
}

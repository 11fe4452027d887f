/** What changes one thing while a load runs. */
import { pause } from '../../runtime/retry.js'

/**
 * Changes one thing, one change after the other: as fast as they are answered, or with pauses that
 * are drawn up to `mostPauseMs`.
 */
export abstract class Churner {
  mostPauseMs = 0
  readonly #stop = new AbortController()
  #done: Promise<void> | undefined

  /** One change, or a few that belong together. */
  protected abstract step(): Promise<void>

  start(): void {
    this.#done = this.#run()
    // Whoever stops it learns of its failure; until then it is no unhandled one.
    this.#done.catch(() => undefined)
  }

  /** Lets the change that is under way finish. Rejects with what a change failed of. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.step()
      if (this.mostPauseMs > 0) {
        await pause(Math.random() * this.mostPauseMs, this.#stop.signal)
      }
    }
  }
}

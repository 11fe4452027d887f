/** Changes at a constant rate. */
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../../lab/load/ledger.js'

export interface PaceReport {
  done: number
  failed: number
  perSecond: number
}

/**
 * Does `change` so many times a second, each one begun when it is due, whether or not those before
 * have ended.
 */
export class Pacer {
  readonly #startMs = monotonicMs()
  readonly #out = new Set<Promise<void>>()
  readonly #loop: Promise<void>
  #done = 0
  #failed = 0
  #stopping = false

  constructor(perSecond: number, change: (number: number) => Promise<unknown>) {
    this.#loop = this.#run(1000 / perSecond, change)
  }

  /** Resolves when all that was begun has ended. */
  async stop(): Promise<PaceReport> {
    this.#stopping = true
    await this.#loop
    const tookMs = monotonicMs() - this.#startMs
    await Promise.all(this.#out)
    const [done, failed] = [this.#done, this.#failed]
    return { done, failed, perSecond: (done / tookMs) * 1000 }
  }

  async #run(everyMs: number, change: (number: number) => Promise<unknown>): Promise<void> {
    for (let number = 0; !this.#stopping; number++) {
      const dueMs = this.#startMs + number * everyMs
      await sleep(Math.max(0, dueMs - monotonicMs()))
      this.#begin(change(number))
    }
  }

  #begin(change: Promise<unknown>): void {
    const ended = change.then(
      () => void (this.#done += 1),
      () => void (this.#failed += 1),
    )
    this.#out.add(ended)
    void ended.finally(() => this.#out.delete(ended))
  }
}

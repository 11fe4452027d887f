/**
 * When the embedded registry's leases are over. Time is the machine's monotonic clock, so that
 * setting the wall clock ends none. A process that was stopped or held up gives every lease its
 * full time again, as a restart does: a renewal could not be heard.
 */
import { performance } from 'node:perf_hooks'

interface Running {
  ttlMs: number
  dueAtMs: number
  timer: NodeJS.Timeout
  whenLost: Array<() => void>
}

const TICK_MS = 500
/** A tick that is this late means that nobody could be heard. */
const STALLED_MS = 2000
/** A timer may fire this much before its time. */
const EARLY_MS = 5
/** The longest that a timer can wait. */
const LONGEST_MS = 2 ** 31 - 1

export class LeaseClock {
  readonly #running = new Map<string, Running>()
  readonly #onDue: (id: string) => void
  readonly #ticker: NodeJS.Timeout
  #tickedAtMs = performance.now()

  /**
   * `onDue` is called with each lease whose time is over. The lease counts as due until it is ended
   * or renewed.
   */
  constructor(onDue: (id: string) => void) {
    this.#onDue = onDue
    this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  has(id: string): boolean {
    return this.#running.has(id)
  }

  ttlMs(id: string): number | undefined {
    return this.#running.get(id)?.ttlMs
  }

  isDue(id: string): boolean {
    const running = this.#running.get(id)
    return running !== undefined && performance.now() >= running.dueAtMs - EARLY_MS
  }

  start(id: string, ttlMs: number): void {
    this.#running.set(id, { ttlMs, whenLost: [], ...this.#arm(id, ttlMs) })
  }

  /** Gives it its full time again; false when it is gone. */
  renew(id: string): boolean {
    const running = this.#running.get(id)
    if (running === undefined) {
      return false
    }
    clearTimeout(running.timer)
    Object.assign(running, this.#arm(id, running.ttlMs))
    return true
  }

  /** Tells everyone who holds it. */
  end(id: string): void {
    const running = this.#running.get(id)
    this.#running.delete(id)
    clearTimeout(running?.timer)
    running?.whenLost.forEach((lost) => lost())
  }

  /** Calls `lost` when it ends. Answers the way to stop that. */
  onLost(id: string, lost: () => void): () => void {
    const running = this.#running.get(id)
    running?.whenLost.push(lost)
    return () => {
      if (running !== undefined) {
        running.whenLost = running.whenLost.filter((one) => one !== lost)
      }
    }
  }

  ids(): string[] {
    return [...this.#running.keys()]
  }

  stop(): void {
    clearInterval(this.#ticker)
    for (const { timer } of this.#running.values()) {
      clearTimeout(timer)
    }
    this.#running.clear()
  }

  #arm(id: string, ttlMs: number): Pick<Running, 'dueAtMs' | 'timer'> {
    const waitMs = Math.min(ttlMs, LONGEST_MS)
    const timer = setTimeout(() => this.#fire(id), waitMs).unref()
    return { dueAtMs: performance.now() + waitMs, timer }
  }

  #fire(id: string): void {
    if (this.#giveTimeIfStalled()) {
      return
    }
    this.#onDue(id)
  }

  #tick(): void {
    this.#giveTimeIfStalled()
    this.#tickedAtMs = performance.now()
  }

  #giveTimeIfStalled(): boolean {
    const now = performance.now()
    if (now - this.#tickedAtMs < STALLED_MS + TICK_MS) {
      return false
    }
    this.#tickedAtMs = now
    for (const id of this.ids()) {
      this.renew(id)
    }
    return true
  }
}

/**
 * When an instance is checked. Each has its own points in time, an interval apart, and no delay
 * makes it drift.
 */

/** The first checks of new instances are spread over this time, however long their interval is. */
const FIRST_ROUND_MS = 10_000

/** Steps of this share of a circle leave its points evenly spread, however many steps are taken. */
const GOLDEN = (Math.sqrt(5) - 1) / 2

export class CheckSchedule {
  /** 0 to 1: which share of the interval its points lie after a multiple of it. */
  readonly #phase: number
  #pointMs = 0

  /** `index` counts all of them, so that their phases differ. */
  constructor(index: number) {
    this.#phase = (index * GOLDEN) % 1
  }

  /**
   * The first check of the `index`th of `count` new ones; the second comes half an interval later
   * at the soonest.
   */
  first(nowMs: number, intervalMs: number, index: number, count: number): number {
    const dueMs = nowMs + (index / count) * Math.min(intervalMs, FIRST_ROUND_MS)
    this.#pointMs = this.#pointAfter(dueMs + intervalMs / 2, intervalMs) - intervalMs
    return dueMs
  }

  /** The check after one that ended now. What was missed is not made up for. */
  next(nowMs: number, intervalMs: number, jitterPercent: number): number {
    this.#pointMs = Math.max(
      this.#pointMs + intervalMs,
      this.#pointAfter(nowMs - intervalMs / 2, intervalMs),
    )
    return this.#pointMs + (Math.random() * jitterPercent * intervalMs) / 100
  }

  #pointAfter(ms: number, intervalMs: number): number {
    return (Math.ceil(ms / intervalMs - this.#phase) + this.#phase) * intervalMs
  }
}

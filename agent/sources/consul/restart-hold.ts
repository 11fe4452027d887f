/**
 * After a restart of Consul each service with a check is critical until that has run again. What
 * was serving before counts as serving until then.
 */
import type { HealthEntry } from './health-entry.js'
import { isServing, keyOf } from './level.js'

/** Consul says no check's interval of its agents; most have 10 s, and a check's time is spread. */
const USUAL_MS = 15_000
const MOST_MS = 120_000

export class RestartHold {
  readonly #isWarningServed: boolean
  /** Keys of what was serving when Consul was last known, with the hold's length. */
  #serving = new Map<string, number>()
  #held = new Map<string, number>()
  #isAway = false

  constructor(isWarningServed: boolean) {
    this.#isWarningServed = isWarningServed
  }

  noteAway(): void {
    this.#isAway = true
  }

  noteBack(nowMs: number): void {
    if (this.#isAway) {
      this.#isAway = false
      const before = this.#held
      // One that is held already is not held for longer, however often Consul comes and goes.
      const endOf = (key: string, ms: number): number => {
        const endsAtMs = before.get(key) ?? 0
        return endsAtMs > nowMs ? endsAtMs : nowMs + ms
      }
      this.#held = new Map([...this.#serving].map(([key, ms]) => [key, endOf(key, ms)]))
    }
  }

  /** Whether it counts as serving though it is critical. */
  isHeld(key: string, nowMs: number): boolean {
    return (this.#held.get(key) ?? 0) > nowMs
  }

  /**
   * Takes over what is known now. Answers milliseconds until a hold ends that matters; undefined:
   * there is none.
   */
  note(entries: readonly HealthEntry[], nowMs: number): number | undefined {
    this.#serving = new Map()
    let nextMs: number | undefined
    for (const entry of entries) {
      const key = keyOf(entry)
      const endsAtMs = this.#held.get(key) ?? 0
      if (isServing(entry, this.#isWarningServed) || endsAtMs > nowMs) {
        const ms = Math.min(
          MOST_MS,
          entry.intervalMs === undefined ? USUAL_MS : entry.intervalMs * 1.5,
        )
        this.#serving.set(key, ms)
      }
      if (!isServing(entry, this.#isWarningServed) && endsAtMs > nowMs) {
        nextMs = Math.min(nextMs ?? Infinity, endsAtMs - nowMs)
      }
    }
    return nextMs
  }
}

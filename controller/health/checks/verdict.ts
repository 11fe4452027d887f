/** Results of checks, counted to a verdict: whether an instance is up. */
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import type { CheckResult } from './attempt.js'

export interface Verdict {
  state: 'up' | 'down'
  /** Why it is down: `check failed: answered 503`. Absent while it is up. */
  reason?: string
  /**
   * Unix time in milliseconds of the last check's end; before the first, of when the instance was
   * added.
   */
  atMs: number
  /** How long the last check took. Absent before the first. */
  latencyMs?: number
}

/** What of a verdict is acted upon; also what a controller that ran before had concluded. */
export type Conclusion = Pick<Verdict, 'state' | 'reason'>

const UNCHECKED = 'not checked yet'

/** Counts the results of one instance and concludes whether it is up. */
export class VerdictCounter {
  #verdict: Verdict
  #passes = 0
  #fails = 0
  #isProven: boolean

  constructor(policy: CheckPolicy, before: Conclusion | undefined, atMs: number) {
    this.#isProven = before !== undefined || policy.initial === 'up'
    const state = before?.state ?? policy.initial
    this.#verdict =
      state === 'up' ? { state, atMs } : { state, reason: before?.reason ?? UNCHECKED, atMs }
  }

  get verdict(): Verdict {
    return this.#verdict
  }

  /** Another policy counts anew; what was concluded holds until then. */
  restart(): void {
    this.#passes = 0
    this.#fails = 0
  }

  take(result: CheckResult, policy: CheckPolicy, atMs: number, latencyMs: number): Verdict {
    this.#passes = result.ok ? this.#passes + 1 : 0
    this.#fails = result.ok ? 0 : this.#fails + 1
    const { state, reason } = this.#conclude(result, policy)
    this.#isProven ||= result.ok
    this.#verdict = { state, ...(reason !== undefined && { reason }), atMs, latencyMs }
    return this.#verdict
  }

  #conclude(result: CheckResult, policy: CheckPolicy): Conclusion {
    const { state } = this.#verdict
    if (result.ok) {
      const enough = this.#isProven ? policy.rise : 1
      return state === 'up' || this.#passes >= enough ? { state: 'up' } : this.#verdict
    }
    const isDown = state === 'down' || this.#fails >= policy.fall
    return isDown ? { state: 'down', reason: result.reason } : { state: 'up' }
  }
}

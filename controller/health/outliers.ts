/** Who answers worse than its upstream's policy allows, from nginx's counters of answers. Pure. */
import { OUTLIER_REQUESTS } from '../../contract/record/policy.js'
import type { EjectPolicy } from '../../contract/record/policy.js'

/** Counted since nginx started. */
export interface AnswerCounts {
  answers: number
  errors: number
  millis: number
}

const NOTHING: AnswerCounts = { answers: 0, errors: 0, millis: 0 }

export class Outliers {
  /** What the counters were when the window began. */
  #base = new Map<string, AnswerCounts>()
  #sinceMs = 0

  /**
   * `counters`: of those that serve, by SID; what is known of others is forgotten. Returns the
   * outliers, and why. A window begins anew after `failTimeoutMs`, and for each outlier at once.
   */
  look(
    policy: EjectPolicy,
    counters: ReadonlyMap<string, AnswerCounts>,
    nowMs: number,
  ): Map<string, string> {
    const isRestart = [...counters].some(
      ([sid, { answers }]) => answers < this.#baseOf(sid).answers,
    )
    if (isRestart) {
      // nginx was started anew.
      this.#base = new Map(counters)
      this.#sinceMs = nowMs
      return new Map()
    }
    const found = this.#judge(policy, counters)
    const isOver = nowMs - this.#sinceMs >= policy.failTimeoutMs
    this.#sinceMs = isOver ? nowMs : this.#sinceMs
    const base = new Map<string, AnswerCounts>()
    for (const [sid, counted] of counters) {
      const isNew = isOver || found.has(sid)
      base.set(sid, isNew ? counted : (this.#base.get(sid) ?? counted))
    }
    this.#base = base
    return found
  }

  #judge(policy: EjectPolicy, counters: ReadonlyMap<string, AnswerCounts>): Map<string, string> {
    const busy = [...counters]
      .filter(([sid]) => this.#base.has(sid))
      .map(([sid, counted]) => ({ sid, ...minus(counted, this.#baseOf(sid)) }))
      .filter(({ answers }) => answers >= OUTLIER_REQUESTS)
    const { errorPercent = Infinity, latencyPercent = Infinity } = policy
    const found = new Map<string, string>()
    for (const { sid, answers, errors, millis } of busy) {
      const others = busy.filter((other) => other.sid !== sid)
      // Below a millisecond there is nothing to compare.
      const median = Math.max(1, medianOf(others.map((other) => other.millis / other.answers)))
      const mean = millis / answers
      if (errors * 100 >= errorPercent * answers) {
        found.set(sid, `${errors} of ${answers} answers were errors`)
      } else if (others.length > 0 && mean * 100 >= latencyPercent * median) {
        const times = `${Math.round(mean)} ms on average, others ${Math.round(median)} ms`
        found.set(sid, times)
      }
    }
    return found
  }

  #baseOf(sid: string): AnswerCounts {
    return this.#base.get(sid) ?? NOTHING
  }
}

function minus(a: AnswerCounts, b: AnswerCounts): AnswerCounts {
  return {
    answers: a.answers - b.answers,
    errors: a.errors - b.errors,
    millis: a.millis - b.millis,
  }
}

function medianOf(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? 0) + high) / 2
}

/** Load at a constant rate, and the quantiles of its latencies. */
import { Child } from '../../lab/load/child.js'
import type { Target } from '../../lab/load/connection.js'
import type { Bench } from '../report/report.js'
import { median, ms, percentile } from '../report/statistics.js'

export interface PacedRun {
  target: Target
  host: string
  perSecond: number
  seconds: number
  /** As many as are ever in flight; what finds none free waits. */
  connections: number
}

export interface Paced {
  /**
   * From when each request was due, not from when it could be sent: a stall counts for all that it
   * delays.
   */
  latenciesMs: number[]
  /**
   * How late this process itself was, for each request: a machine that is too busy for it measures
   * itself.
   */
  lateMs: number[]
  errors: number
}

/** A load that keeps its rate whatever comes back, in a process of its own. */
export class OpenLoop {
  readonly #child: Child
  readonly #late: number[] = []

  constructor(bench: Bench) {
    this.#child = new Child(new URL('open-loop-process.ts', import.meta.url).href, [])
    bench.onEnd(() => this.#child.kill())
  }

  /** Rejects when any answer was not 200: what errs looks fast. */
  async run(run: PacedRun): Promise<number[]> {
    const { latenciesMs, lateMs, errors } = (await this.#child.ask(run)) as Paced
    if (errors > 0) {
      throw new Error(`${run.host}: ${errors} of its requests failed`)
    }
    this.#late.push(percentile(lateMs, 0.99))
    return latenciesMs
  }

  /** For a reader of the figures: how late the load itself sent. */
  lateness(): string {
    return `The load itself sent late by ${ms(median(this.#late))} (p99 of a slice, median): what is not far above that is the machine.`
  }

  async stop(): Promise<void> {
    await this.#child.kill()
  }
}

export const QUANTILES = [0.5, 0.99, 0.999] as const

/** p50, p99 and p99.9 of a slice. */
export function quantiles(latenciesMs: readonly number[]): number[] {
  return QUANTILES.map((part) => percentile(latenciesMs, part))
}

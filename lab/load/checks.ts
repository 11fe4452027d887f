/** Active checks in a process of their own, and what they cost. */
import type { CheckTarget } from '../../controller/health/checks/check-target.js'
import { Child } from './child.js'

/** With `targets`: check these from now on. Without: what was used since the last question. */
export interface ChecksQuestion {
  targets?: CheckTarget[]
}

export interface ChecksAnswer {
  tookMs: number
  cpuMs: number
  /** By how much the event loop was late. */
  worstDelayMs: number
  p99DelayMs: number
  passed: number
  failed: number
  changes: number
}

/** How long it took to say what is to be checked, and to say the same once more. */
export interface NamedIn {
  firstMs: number
  againMs: number
}

/** A process that does nothing but check. */
export class ChecksProcess {
  readonly #child = new Child('checks-process.ts', [])

  async check(targets: CheckTarget[]): Promise<NamedIn> {
    return (await this.#child.ask({ targets } satisfies ChecksQuestion)) as NamedIn
  }

  async measure(): Promise<ChecksAnswer> {
    return (await this.#child.ask({} satisfies ChecksQuestion)) as ChecksAnswer
  }

  kill(): Promise<void> {
    return this.#child.kill()
  }
}

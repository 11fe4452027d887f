/** What health needs of active checks; controller/checks/ does them. */
import type { CheckPolicy } from '../../contract/check-policy.js'

export interface Verdict {
  state: 'up' | 'down'
  /** For people. */
  reason?: string
}

export interface CheckTarget {
  /** `<upstream>/<id>` */
  key: string
  host: string
  port: number
  policy: CheckPolicy
  /** What it is until its checks say otherwise, in place of what the policy says. */
  before?: Verdict
}

export interface Checks {
  /** All that are to be checked from now on. */
  setTargets(targets: Iterable<CheckTarget>): void
  /** Undefined while nothing is known: it then serves. */
  verdict(key: string): Verdict | undefined
  close(): Promise<void> | void
}

/** `onChange` hears the keys whose verdict changed. */
export type MakeChecks = (onChange: (keys: string[]) => void) => Checks

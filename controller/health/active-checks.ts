/** What health needs of active checks; {@link Checker} is what does them. */
import type { CheckTarget } from './checks/check-target.js'
import type { Conclusion } from './checks/verdict.js'

export interface Checks {
  /** All that are to be checked from now on. */
  setTargets(targets: Iterable<CheckTarget>): void
  /** Undefined while nothing is known: it then serves. */
  verdict(key: string): Conclusion | undefined
  close(): Promise<void> | void
}

/** `onChange` hears the keys whose verdict changed. */
export type MakeChecks = (onChange: (keys: string[]) => void) => Checks

/** What somebody else has of what this agent wants, logged as it is found. */
import type { Logger } from '../../runtime/logger.js'
import type { Contested } from '../plan/host-claims.js'
import { readRoute } from '../plan/route-claim.js'

export class ContestLog {
  readonly #log: Logger
  /** Key → why it was not registered, as it was logged last. */
  #logged = new Map<string, string>()

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * Each state of things once, however often it is found. `taken`: keys of another agent;
   * `withheld`: key → why. True when this is another state than before.
   */
  write(taken: readonly string[], withheld: ReadonlyMap<string, string>): boolean {
    const reasons = taken.map((key): [string, string] => [key, 'registered by another agent'])
    const news = new Map([...reasons, ...withheld])
    const isOther = ([key, reason]: [string, string]) => this.#logged.get(key) !== reason
    const others = [...news].filter(isOther)
    for (const [key, reason] of others) {
      this.#log.warn({ key, reason }, 'not registered: another agent or upstream has it')
    }
    const isChanged = others.length > 0 || news.size !== this.#logged.size
    this.#logged = news
    return isChanged
  }
}

/** The claims among what is withheld, and why. `wanted`: registry key → value. */
export function contestedClaims(
  withheld: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string> | undefined,
): Contested[] {
  return [...withheld].flatMap(([key, message]) => {
    const route = readRoute(wanted?.get(key) ?? '')
    return route === undefined ? [] : [{ claim: route.claim, message }]
  })
}

/** The id of the agent's lease in a file of its home: the agent's next life adopts the lease. */
import type { Logger } from '../../runtime/logger.js'
import { HomeMemo } from './home-memo.js'

export class LeaseMemo {
  readonly #memo: HomeMemo

  /** `scope`: registry, cluster and agent that the lease belongs to. */
  constructor(path: string, scope: string, log: Logger) {
    const otherwise = 'the next start takes a new lease'
    this.#memo = new HomeMemo({ path, scope, log, name: 'lease memo', otherwise })
  }

  /** Undefined when there is none that can be read. A new lease only costs a few writes. */
  async read(): Promise<string | undefined> {
    const lease = (await this.#memo.read())?.lease
    return typeof lease === 'string' ? lease : undefined
  }

  /**
   * Call it only once everything of ours is under this lease: the next start relies on it. Never
   * rejects.
   */
  write(lease: string): Promise<void> {
    return this.#memo.write({ lease })
  }

  /** Before anything is put under another lease. Never rejects: the worst is a late renewal. */
  forget(): Promise<void> {
    return this.#memo.remove()
  }
}

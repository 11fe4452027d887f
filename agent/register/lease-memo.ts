/** The id of the agent's lease in a file of its home: the agent's next life adopts the lease. */
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { readIfThere, writeWhole } from '../../runtime/whole-file.js'

export class LeaseMemo {
  readonly #path: string
  /** Registry, cluster and agent that the lease belongs to: with another one it means nothing. */
  readonly #scope: string
  readonly #log: Logger

  constructor(path: string, scope: string, log: Logger) {
    this.#path = path
    this.#scope = scope
    this.#log = log
  }

  /** Undefined when there is none that can be read. A new lease only costs a few writes. */
  async read(): Promise<string | undefined> {
    try {
      const text = (await readIfThere(this.#path)) ?? 'null'
      const memo = JSON.parse(text) as Record<string, unknown> | null
      return memo?.scope === this.#scope && typeof memo.lease === 'string' ? memo.lease : undefined
    } catch (error) {
      this.#log.warn({ path: this.#path, reason: messageOf(error) }, 'lease memo not readable')
      return undefined
    }
  }

  /**
   * Call it only once everything of ours is under this lease: the next start relies on it. Never
   * rejects.
   */
  async write(lease: string): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      await writeWhole(this.#path, JSON.stringify({ scope: this.#scope, lease }), 0o600)
    } catch (error) {
      const fields = { path: this.#path, reason: messageOf(error) }
      this.#log.warn(fields, 'lease memo not written; the next start takes a new lease')
    }
  }

  /** Before anything is put under another lease. Never rejects: the worst is a late renewal. */
  async forget(): Promise<void> {
    try {
      await rm(this.#path, { force: true })
    } catch (error) {
      this.#log.warn({ path: this.#path, reason: messageOf(error) }, 'lease memo not removed')
    }
  }
}

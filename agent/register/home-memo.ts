/** What an agent's next life is to know, as JSON in a file of its home. */
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isObject } from '../../contract/guard/guarded.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { readIfThere, writeWhole } from '../../runtime/whole-file.js'

export interface HomeMemoOptions {
  path: string
  /** Registry, cluster and agent that it is of: with another one it means nothing. */
  scope: string
  log: Logger
  /** What it is called in the log: `lease memo`. */
  name: string
  /** What comes of it when it cannot be written, for the log. */
  otherwise: string
}

/** None of its calls rejects: what fails is logged. */
export class HomeMemo {
  readonly #options: HomeMemoOptions

  constructor(options: HomeMemoOptions) {
    this.#options = options
  }

  /** Its fields; undefined when there are none of this scope that can be read. */
  async read(): Promise<Record<string, unknown> | undefined> {
    const { path, scope } = this.#options
    try {
      const memo: unknown = JSON.parse((await readIfThere(path)) ?? 'null')
      return isObject(memo) && memo.scope === scope ? memo : undefined
    } catch (error) {
      this.#warn('not readable', error)
      return undefined
    }
  }

  async write(fields: object): Promise<void> {
    const { path, scope, otherwise } = this.#options
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeWhole(path, JSON.stringify({ scope, ...fields }), 0o600)
    } catch (error) {
      this.#warn(`not written; ${otherwise}`, error)
    }
  }

  async remove(): Promise<void> {
    try {
      await rm(this.#options.path, { force: true })
    } catch (error) {
      this.#warn('not removed', error)
    }
  }

  #warn(what: string, error: unknown): void {
    const { path, log, name } = this.#options
    log.warn({ path, reason: messageOf(error) }, `${name} ${what}`)
  }
}

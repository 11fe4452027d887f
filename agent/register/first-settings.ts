/**
 * Settings that labels ask for. They are put once, and only if the upstream has no settings yet.
 */
import type { Registry } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { isRefusal } from './refused-writes.js'

export class FirstSettings {
  readonly #registry: Registry
  readonly #log: Logger
  /** Key and value of those that were dealt with in this life. */
  readonly #done = new Set<string>()

  constructor(registry: Registry, log: Logger) {
    this.#registry = registry
    this.#log = log
  }

  /** Registry key → value. What is there is an operator's, or an earlier container's. */
  async putMissing(settings: ReadonlyMap<string, string>): Promise<void> {
    for (const [key, value] of settings) {
      if (!this.#done.has(`${key} ${value}`)) {
        await this.#putOne(key, value)
        this.#done.add(`${key} ${value}`)
      }
    }
  }

  async #putOne(key: string, value: string): Promise<void> {
    const log = this.#log
    try {
      await this.#registry.commit([{ type: 'put', key, value, ifRevision: 0 }])
      log.info({ key, value }, 'settings of an upstream, as labels say')
    } catch (error) {
      const isThere = error instanceof SluiceError && error.code === 'changed'
      if (!isThere && !isRefusal(error)) {
        throw error
      }
      const reason = isThere ? 'it has settings already' : error.message
      log.info({ key, reason }, 'settings that labels ask for are not used')
    }
  }
}

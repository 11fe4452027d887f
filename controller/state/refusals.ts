/** Values of the registry that were not understood, or not all of them: logged once, and listed. */
import type { RefusedValue } from '../../contract/record/gateway-record.js'
import type { Logger } from '../../runtime/logger.js'
import type { RefusedView } from '../views.js'

export interface RefusalOptions {
  log: Logger
  /** `rule` is the field that was wrong, or `json`, `key`: few, so that it may label a metric. */
  onRejected(rule: string): void
}

export class Refusals {
  readonly #options: RefusalOptions
  readonly #refused = new Map<string, RefusedView>()
  readonly #partly = new Map<string, RefusedView>()

  constructor(options: RefusalOptions) {
    this.#options = options
  }

  /** The value under `key`, of this revision, is refused. */
  refuse(key: string, field: string, why: string, revision: number): void {
    this.#partly.delete(key)
    if (note(this.#refused, { key, message: `${field} ${why}`.trim(), revision })) {
      this.#options.log.warn({ key, field, why }, 'registry value refused')
      this.#options.onRejected(/^[a-z]+/i.exec(field)?.[0] ?? 'shape')
    }
  }

  /** The value under `key` was read, but for these fields. */
  accept(key: string, unknown: string[], revision: number): void {
    this.#refused.delete(key)
    if (unknown.length === 0) {
      this.#partly.delete(key)
    } else if (note(this.#partly, { key, message: unknown.join(', '), revision })) {
      this.#options.log.warn(
        { key, fields: unknown },
        'registry value has fields of another version',
      )
    }
  }

  forget(key: string): void {
    this.#refused.delete(key)
    this.#partly.delete(key)
  }

  has(key: string): boolean {
    return this.#refused.has(key)
  }

  /** What stands in the registry and was refused. */
  refused(): RefusedView[] {
    return [...this.#refused.values()]
  }

  /** What is served without some of its fields; the message names them. */
  partly(): RefusedView[] {
    return [...this.#partly.values()]
  }
}

/** Whether that is news. */
function note(views: Map<string, RefusedView>, value: RefusedValue): boolean {
  const before = views.get(value.key)
  views.set(value.key, { ...value, sinceAtMs: before?.sinceAtMs ?? Date.now() })
  return before?.message !== value.message
}

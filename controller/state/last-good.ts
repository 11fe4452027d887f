/**
 * The last good values of keys under which the registry has what this version does not understand.
 * They are kept in a file, so that they serve on after a restart.
 */
import { isObject } from '../../contract/guard/guarded.js'
import type { Logger } from '../../runtime/logger.js'
import { EntryFile } from './entry-file.js'

export interface GoodValue {
  text: string
  revision: number
}

/** Nobody mends more than this by hand, and a flood of them must not fill the disk. */
const MOST = 10_000
const DELAY_MS = 200

function parseValue(value: unknown): GoodValue | undefined {
  const { text, revision } = isObject(value) ? value : {}
  return typeof text === 'string' && typeof revision === 'number' ? { text, revision } : undefined
}

export class LastGood {
  readonly #file: EntryFile<GoodValue>
  readonly #values: Map<string, GoodValue>

  constructor(path: string, log: Logger) {
    this.#file = new EntryFile({
      ...{ path, log, what: 'the last good values', delayMs: DELAY_MS },
      parse: (_key, value) => parseValue(value),
      entries: () => this.#values,
    })
    this.#values = this.#file.read()
  }

  get(key: string): GoodValue | undefined {
    return this.#values.get(key)
  }

  keep(key: string, value: GoodValue): void {
    if (this.#values.get(key)?.text !== value.text && this.#values.size < MOST) {
      this.#values.set(key, value)
      this.#file.changed()
    }
  }

  /** The registry has a value that is understood, or none. */
  drop(key: string): void {
    if (this.#values.delete(key)) {
      this.#file.changed()
    }
  }

  /** Forgets what the registry has nothing under any more. */
  retain(present: ReadonlySet<string>): void {
    for (const key of [...this.#values.keys()].filter((key) => !present.has(key))) {
      this.drop(key)
    }
  }

  close(): void {
    this.#file.close()
  }
}

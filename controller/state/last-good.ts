/**
 * The last good values of keys under which the registry has what this version does not understand.
 * They are kept in a file, so that they serve on after a restart.
 */
import { isObject } from '../../contract/guard/checked.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { readIfThereSync, writeWholeSync } from '../../runtime/whole-file.js'

export interface GoodValue {
  text: string
  revision: number
}

/** Nobody mends more than this by hand, and a flood of them must not fill the disk. */
const MOST = 10_000
const DELAY_MS = 200
/** Certificates are among them, with their keys. */
const MODE = 0o600

function parse(text: string): Map<string, GoodValue> {
  const values: unknown = JSON.parse(text)
  const entries = isObject(values) ? Object.entries(values) : []
  return new Map(
    entries.flatMap(([key, value]): Array<[string, GoodValue]> => {
      const { text, revision } = isObject(value) ? value : {}
      return typeof text === 'string' && typeof revision === 'number'
        ? [[key, { text, revision }]]
        : []
    }),
  )
}

export class LastGood {
  readonly #path: string
  readonly #log: Logger
  readonly #values: Map<string, GoodValue>
  #timer: NodeJS.Timeout | undefined

  /** A file that cannot be read is as good as none: it is said, and written anew. */
  constructor(path: string, log: Logger) {
    this.#path = path
    this.#log = log
    this.#values = this.#read()
  }

  get(key: string): GoodValue | undefined {
    return this.#values.get(key)
  }

  keep(key: string, value: GoodValue): void {
    if (this.#values.get(key)?.text !== value.text && this.#values.size < MOST) {
      this.#values.set(key, value)
      this.#write()
    }
  }

  /** The registry has a value that is understood, or none. */
  drop(key: string): void {
    if (this.#values.delete(key)) {
      this.#write()
    }
  }

  /** Forgets what the registry has nothing under any more. */
  retain(present: ReadonlySet<string>): void {
    for (const key of [...this.#values.keys()].filter((key) => !present.has(key))) {
      this.drop(key)
    }
  }

  close(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer)
      this.#writeNow()
    }
  }

  #read(): Map<string, GoodValue> {
    try {
      return parse(readIfThereSync(this.#path) ?? '{}')
    } catch (error) {
      const file = this.#path
      this.#log.warn({ file, error: messageOf(error) }, 'the last good values cannot be read')
      return new Map()
    }
  }

  #write(): void {
    this.#timer ??= setTimeout(() => this.#writeNow(), DELAY_MS).unref()
  }

  /** While the disk is full they are in memory alone; the next change tries again. */
  #writeNow(): void {
    this.#timer = undefined
    try {
      writeWholeSync(this.#path, JSON.stringify(Object.fromEntries(this.#values)), MODE)
    } catch (error) {
      const file = this.#path
      this.#log.error({ file, error: messageOf(error) }, 'the last good values cannot be written')
    }
  }
}

/** A map of a few values, kept in a file of the home so that it outlasts a restart. */
import { isObject } from '../../contract/guard/guarded.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { readIfThereSync, writeWholeSync } from '../../runtime/whole-file.js'

export interface EntryFileOptions<T> {
  path: string
  /** For people: `the last good values`. */
  what: string
  log: Logger
  /** Changes within this time are written together. In milliseconds. */
  delayMs: number
  /** The value of an entry in the file; undefined where it is none, which leaves the entry out. */
  parse: (name: string, value: unknown) => T | undefined
  /** What is to be written. */
  entries: () => ReadonlyMap<string, T>
}

/** Certificates may be among the values, with their keys. */
const MODE = 0o600

export class EntryFile<T> {
  readonly #options: EntryFileOptions<T>
  #timer: NodeJS.Timeout | undefined

  constructor(options: EntryFileOptions<T>) {
    this.#options = options
  }

  /** A file that cannot be read is as good as none: the log says so, and it is written anew. */
  read(): Map<string, T> {
    const { path, what, log, parse } = this.#options
    try {
      const values: unknown = JSON.parse(readIfThereSync(path) ?? '{}')
      const entries = Object.entries(isObject(values) ? values : {})
      return new Map(
        entries.flatMap(([name, value]): Array<[string, T]> => {
          const parsed = parse(name, value)
          return parsed === undefined ? [] : [[name, parsed]]
        }),
      )
    } catch (error) {
      log.warn({ file: path, error: messageOf(error) }, `${what} cannot be read`)
      return new Map()
    }
  }

  /** The entries changed: they are written soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => this.#write(), this.#options.delayMs).unref()
  }

  /** Writes what is not written yet. */
  close(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer)
      this.#write()
    }
  }

  /** While the disk is full they are in memory alone; the next change tries again. */
  #write(): void {
    this.#timer = undefined
    const { path, what, log, entries } = this.#options
    try {
      writeWholeSync(path, JSON.stringify(Object.fromEntries(entries())), MODE)
    } catch (error) {
      log.error({ file: path, error: messageOf(error) }, `${what} cannot be written`)
    }
  }
}

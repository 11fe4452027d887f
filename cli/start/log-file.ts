/** A log file that is put aside when it has grown large. */
import { closeSync, fstatSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { messageOf } from '../../runtime/errors.js'

const LOOK_MS = 1000
const MOST_BYTES = 16 * 1024 * 1024

/**
 * Writes lines to a file. It is renamed to `<file>.1` when it has grown large; others (logrotate)
 * may rename it, too.
 */
export class LogFile {
  readonly #path: string
  readonly #say: (line: string) => void
  #file: number | undefined
  #bytes = 0
  #lookedAtMs = 0

  constructor(path: string, say: (line: string) => void) {
    this.#path = path
    this.#say = say
  }

  /** A log that cannot be written is said once, and ends no service. */
  write(line: string): void {
    try {
      this.#open()
      this.#bytes += writeSync(this.#file as number, line + '\n')
    } catch (error) {
      if (this.#bytes >= 0) {
        this.#say(`${this.#path} cannot be written: ${messageOf(error)}`)
      }
      this.#bytes = -1
    }
  }

  #open(): void {
    if (this.#file !== undefined && this.#wasMoved()) {
      this.close()
    }
    if (this.#file !== undefined && this.#bytes > MOST_BYTES) {
      this.close()
      renameSync(this.#path, this.#path + '.1')
    }
    if (this.#file === undefined) {
      this.#file = openSync(this.#path, 'a', 0o640)
      this.#bytes = fstatSync(this.#file).size
    }
  }

  /** Looked at once a second at most: lines may come by the thousand. */
  #wasMoved(): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs < LOOK_MS) {
      return false
    }
    this.#lookedAtMs = nowMs
    const there = statSync(this.#path, { throwIfNoEntry: false })
    return there?.ino !== fstatSync(this.#file as number).ino
  }

  /** The next line would open it anew. */
  close(): void {
    if (this.#file !== undefined) {
      closeSync(this.#file)
      this.#file = undefined
    }
  }
}

/** A log file that is put aside when it has grown large. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { messageOf } from '../../runtime/errors.js'

const MOST_BYTES = 16 * 1024 * 1024

/** Lines to a file that is put aside as `<file>.1` when it has grown large. */
export class LogFile {
  readonly #path: string
  readonly #say: (line: string) => void
  #file: number | undefined
  #bytes = 0

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
    if (this.#file !== undefined && this.#bytes > MOST_BYTES) {
      this.close()
      renameSync(this.#path, this.#path + '.1')
    }
    if (this.#file === undefined) {
      this.#file = openSync(this.#path, 'a', 0o640)
      this.#bytes = fstatSync(this.#file).size
    }
  }

  close(): void {
    if (this.#file !== undefined) {
      closeSync(this.#file)
      this.#file = undefined
    }
  }
}

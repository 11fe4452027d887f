/** A secret that may be in a file of its own. It is read at each use, so a rotated one counts. */
import { readFileSync } from 'node:fs'

/** The text of a secret's file, without its last line end. Throws what the system says. */
export function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
}

export class Secret {
  readonly #file: string | undefined
  readonly #isUsable: (text: string) => boolean
  #text: string

  /** `text` is what it was when `file`, if there is one, was read first. */
  constructor(text: string, file?: string, isUsable = (read: string) => read !== '') {
    this.#text = text
    this.#file = file
    this.#isUsable = isUsable
  }

  /** While the file is away or half written, the last good one counts. */
  now(): string {
    if (this.#file !== undefined) {
      try {
        const text = readSecretFile(this.#file)
        this.#text = this.#isUsable(text) ? text : this.#text
      } catch {
        // Whoever needs the new one is refused by who asks for it, and reads again.
      }
    }
    return this.#text
  }
}

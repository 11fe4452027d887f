/**
 * The last acknowledged revision, in a file beside LevelDB's. LevelDB takes a damaged end of its
 * log for a write that was not finished; this file shows that it was finished. It is written after
 * the batch is synced, and is not synced itself: it may lag behind, but is never ahead.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'

export const HEAD = 'ACKNOWLEDGED'
const DIGITS = 16

/** 0 when nothing is known. */
export async function readHead(folder: string): Promise<number> {
  try {
    const revision = Number(await readFile(join(folder, HEAD), 'utf8'))
    return Number.isSafeInteger(revision) ? revision : 0
  } catch {
    // A store without it is as good as any other LevelDB.
    return 0
  }
}

export class HeadFile {
  readonly #log: Logger
  #file: number | undefined

  private constructor(file: number, log: Logger) {
    this.#file = file
    this.#log = log
  }

  /** Undefined when it cannot be had: the store then works without. */
  static open(folder: string, log: Logger): HeadFile | undefined {
    try {
      // Neither truncated nor appended to: always one line, written over.
      return new HeadFile(
        openSync(join(folder, HEAD), constants.O_WRONLY | constants.O_CREAT, 0o600),
        log,
      )
    } catch (error) {
      log.warn({ folder, error: messageOf(error) }, 'registry opens without its head file')
      return undefined
    }
  }

  write(revision: number): void {
    if (this.#file === undefined) {
      return
    }
    try {
      writeSync(this.#file, String(revision).padStart(DIGITS, '0'), 0)
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'registry goes on without its head file')
      this.close()
    }
  }

  close(): void {
    if (this.#file !== undefined) {
      closeSync(this.#file)
    }
    this.#file = undefined
  }
}

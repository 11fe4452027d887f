/**
 * A folder of files as a source. It is looked at again and again, as certificates are: the kernel
 * is not asked to watch it, because that call can block where the folder is on a file server. What
 * two looks see alike is read, so nothing is read half written or in the middle of a swap.
 */
import { join, resolve } from 'node:path'
import type { AddressPolicy } from '../../../contract/guard/address.js'
import { messageOf } from '../../../runtime/errors.js'
import { pause } from '../../../runtime/retry.js'
import type { Source, SourceHandlers, SourceLevel } from '../source.js'
import { readFileContent } from './file-content.js'
import type { FileContent } from './file-content.js'
import { makeLevel } from './files-level.js'
import type { KnownFile } from './files-level.js'
import { lookAt, readText } from './folder-files.js'
import type { Signatures } from './folder-files.js'

export interface FilesOptions {
  folder: string
  agent: string
  addresses: AddressPolicy
  /** Milliseconds between two looks; with very many files it is more. */
  pollMs?: number
}

const POLL_MS = 200

export class FilesSource implements Source {
  readonly name = 'files'
  readonly address: string
  readonly #options: FilesOptions

  constructor(options: FilesOptions) {
    this.#options = options
    this.address = resolve(options.folder)
  }

  async run(signal: AbortSignal, handlers: SourceHandlers): Promise<void> {
    let files: ReadonlyMap<string, KnownFile> = new Map()
    let read: string | undefined
    let seen: string | undefined
    let isAway = false
    while (!signal.aborted) {
      let count = 0
      try {
        const found = await lookAt(this.address)
        const now = JSON.stringify([...found])
        count = found.size
        if (now !== read && (now === seen || read === undefined)) {
          files = await this.#read(found, files)
          read = now
          handlers.onLevel(makeLevel(files, this.#options.agent))
        }
        seen = now
        if (isAway) {
          isAway = false
          handlers.onAway(undefined)
        }
      } catch (error) {
        isAway = true
        handlers.onAway(messageOf(error))
      }
      await pause(Math.max(this.#options.pollMs ?? POLL_MS, count), signal)
    }
  }

  async readOnce(): Promise<SourceLevel> {
    return makeLevel(await this.#read(await lookAt(this.address), new Map()), this.#options.agent)
  }

  /** `found` with their contents; `before` are kept where nothing changed. */
  async #read(
    found: Signatures,
    before: ReadonlyMap<string, KnownFile>,
  ): Promise<Map<string, KnownFile>> {
    const files = new Map<string, KnownFile>()
    for (const [name, signature] of found) {
      const known = before.get(name)
      files.set(
        name,
        known?.signature === signature
          ? known
          : await this.#readOne(name, signature, known?.content),
      )
    }
    return files
  }

  async #readOne(
    name: string,
    signature: string,
    lastGood: FileContent | undefined,
  ): Promise<KnownFile> {
    try {
      const text = await readText(join(this.address, name))
      const result = readFileContent(text, this.#options.addresses)
      return result.ok
        ? { signature, content: result.content, problems: [] }
        : { signature, content: lastGood, problems: result.problems }
    } catch (error) {
      const problems = [{ line: 1, text: `it cannot be read: ${messageOf(error)}` }]
      return { signature, content: lastGood, problems }
    }
  }
}

/** What an agent put last as settings of upstreams, in a file of its home. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isObject } from '../../contract/guard/guarded.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { readIfThere, writeWhole } from '../../runtime/whole-file.js'

/** Registry key → values, one of which was put last: two while a change is under way. */
export type PutSettings = Map<string, string[]>

export class SettingsMemo {
  readonly #path: string
  /** Registry, cluster and agent of the values: with another one they mean nothing. */
  readonly #scope: string
  readonly #log: Logger

  constructor(path: string, scope: string, log: Logger) {
    this.#path = path
    this.#scope = scope
    this.#log = log
  }

  /** Empty when there is none that can be read: then nothing that is there is overwritten. */
  async read(): Promise<PutSettings> {
    try {
      const memo: unknown = JSON.parse((await readIfThere(this.#path)) ?? 'null')
      if (!isObject(memo) || memo.scope !== this.#scope || !isObject(memo.put)) {
        return new Map()
      }
      const isText = (value: unknown): value is string => typeof value === 'string'
      return new Map(
        Object.entries(memo.put).map(([key, values]) => [
          key,
          Array.isArray(values) ? values.filter(isText) : [],
        ]),
      )
    } catch (error) {
      this.#log.warn({ path: this.#path, reason: messageOf(error) }, 'settings memo not readable')
      return new Map()
    }
  }

  /** Never rejects: without it the next life leaves alone what this one put. */
  async write(put: PutSettings): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      const memo = { scope: this.#scope, put: Object.fromEntries(put) }
      await writeWhole(this.#path, JSON.stringify(memo), 0o600)
    } catch (error) {
      const fields = { path: this.#path, reason: messageOf(error) }
      this.#log.warn(
        fields,
        'settings memo not written; the next start leaves settings as they are',
      )
    }
  }
}

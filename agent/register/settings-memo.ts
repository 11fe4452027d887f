/** What an agent put last as settings of upstreams, in a file of its home. */
import { isObject } from '../../contract/guard/guarded.js'
import type { Logger } from '../../runtime/logger.js'
import { HomeMemo } from './home-memo.js'

/** Registry key → values, one of which was put last: two while a change is under way. */
export type PutSettings = Map<string, string[]>

export class SettingsMemo {
  readonly #memo: HomeMemo

  /** `scope`: registry, cluster and agent of the values. */
  constructor(path: string, scope: string, log: Logger) {
    const otherwise = 'the next start leaves settings as they are'
    this.#memo = new HomeMemo({ path, scope, log, name: 'settings memo', otherwise })
  }

  /** Empty when there is none that can be read: then nothing that is there is overwritten. */
  async read(): Promise<PutSettings> {
    const put = (await this.#memo.read())?.put
    const isText = (value: unknown): value is string => typeof value === 'string'
    return new Map(
      Object.entries(isObject(put) ? put : {}).map(([key, values]) => [
        key,
        Array.isArray(values) ? values.filter(isText) : [],
      ]),
    )
  }

  /** Never rejects: without it the next life leaves alone what this one put. */
  write(put: PutSettings): Promise<void> {
    return this.#memo.write({ put: Object.fromEntries(put) })
  }
}

/**
 * Settings of upstreams that sources give are kept up to date, as long as the registry holds what
 * this agent put last. What anybody else put stays, and a warning names it.
 */
import type { Registry, RegistryEntry, RegistryOperation } from '../../registry/registry.js'
import type { Logger } from '../../runtime/logger.js'
import { isRefusal } from './refused-writes.js'
import type { PutSettings, SettingsMemo } from './settings-memo.js'

export interface WantedSettings {
  /** Registry key → value. */
  settings: ReadonlyMap<string, string>
  /** Whether sources have dropped what is missing: each has been read, and none is doubted. */
  isWhole: boolean
}

/** One upstream's next change. */
interface Step {
  operation: RegistryOperation
  /** What this agent put before; it is back once the change was refused. */
  before: string[]
}

export class SourceSettings {
  readonly #registry: Registry
  readonly #memo: SettingsMemo | undefined
  readonly #log: Logger
  /** Undefined: not read yet. */
  #put: PutSettings | undefined
  /** Key → value of those that were dealt with in this life. */
  readonly #done = new Map<string, string>()
  /** Key → what was said of it last. */
  readonly #warned = new Map<string, string>()

  /** Without a memo, the next life leaves alone what this one put. */
  constructor(registry: Registry, memo: SettingsMemo | undefined, log: Logger) {
    this.#registry = registry
    this.#memo = memo
    this.#log = log
  }

  /**
   * `others`: keys that are not removed, since labels ask for them. `isDue`: what is there may have
   * changed. Rejects with `changed` when somebody else was quicker, and when the registry is away.
   */
  async keep(
    { settings, isWhole }: WantedSettings,
    others: ReadonlyMap<string, string>,
    isDue: boolean,
  ): Promise<void> {
    this.#put ??= (await this.#memo?.read()) ?? new Map()
    const put = this.#put
    const isNews = ([key, value]: [string, string]) => isDue || this.#done.get(key) !== value
    const wanted = [...settings].filter(isNews)
    const isDropped = (key: string) => !settings.has(key) && !others.has(key)
    const dropped = isWhole ? [...put.keys()].filter(isDropped) : []
    if (wanted.length + dropped.length === 0) {
      return
    }
    const { entries } = await this.#registry.list('upstreams/')
    const there = new Map(entries.map((entry) => [entry.key, entry]))
    const steps = [
      ...wanted.flatMap(([key, value]) => this.#stepTo(key, value, there.get(key), put)),
      ...dropped.flatMap((key) => this.#stepOut(key, there.get(key), put)),
    ]
    if (steps.length > 0) {
      await this.#take(steps, put)
    }
    wanted.forEach(([key, value]) => this.#done.set(key, value))
    dropped.forEach((key) => this.#done.delete(key))
  }

  #stepTo(key: string, value: string, there: RegistryEntry | undefined, put: PutSettings): Step[] {
    const before = put.get(key) ?? []
    if (there?.value === value) {
      this.#warned.delete(key)
      return []
    }
    if (there !== undefined && !before.includes(there.value)) {
      this.#warn(key, value, 'somebody else has set it')
      return []
    }
    const operation = { type: 'put' as const, key, value, ifRevision: there?.revision ?? 0 }
    return [{ operation, before }]
  }

  #stepOut(key: string, there: RegistryEntry | undefined, put: PutSettings): Step[] {
    const before = put.get(key) ?? []
    if (there !== undefined && before.includes(there.value)) {
      return [{ operation: { type: 'delete', key, ifRevision: there.revision }, before }]
    }
    if (there !== undefined) {
      this.#warn(key, '', 'no source gives them any more, but somebody else has set them')
    }
    put.delete(key)
    return []
  }

  /** The memo knows each change before it happens: one that the agent dies in is its own, too. */
  async #take(steps: Step[], put: PutSettings): Promise<void> {
    for (const { operation, before } of steps) {
      if (operation.type === 'put') {
        put.set(operation.key, [...new Set([...before, operation.value])])
      }
    }
    await this.#memo?.write(put)
    try {
      for (const step of steps) {
        await this.#commit(step, put)
      }
    } finally {
      await this.#memo?.write(put)
    }
  }

  async #commit({ operation, before }: Step, put: PutSettings): Promise<void> {
    const { key } = operation
    try {
      await this.#registry.commit([operation])
    } catch (error) {
      if (!isRefusal(error)) {
        throw error
      }
      put.set(key, before)
      if (operation.type === 'delete' || before.length === 0) {
        put.delete(key)
      }
      this.#warn(key, operation.type === 'put' ? operation.value : '', error.message)
      return
    }
    this.#warned.delete(key)
    if (operation.type === 'put') {
      put.set(key, [operation.value])
      this.#log.info({ key, value: operation.value }, 'settings of an upstream, as a source gives')
    } else {
      put.delete(key)
      this.#log.info({ key }, 'settings of an upstream removed: no source gives them any more')
    }
  }

  /** Once for each reason and wish. */
  #warn(key: string, value: string, reason: string): void {
    const text = `${reason} ${value}`
    if (this.#warned.get(key) !== text) {
      this.#warned.set(key, text)
      this.#log.warn({ key, reason }, 'settings that a source gives are not used')
    }
  }
}

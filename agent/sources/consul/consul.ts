/** Consul as a source: its catalog, and the health of each service that is followed. */
import type { ConsulSettings } from '../../../runtime/config/settings.js'
import type { Logger } from '../../../runtime/logger.js'
import { messageOf } from '../../../runtime/errors.js'
import type { SourceMachine } from '../level-draft.js'
import type { Source, SourceHandlers, SourceLevel } from '../source.js'
import { ConsulClient } from './client.js'
import { readCatalog, readHealth } from './health-entry.js'
import type { HealthEntry } from './health-entry.js'
import { makeConsulLevel, OWN_SERVICE } from './level.js'
import { HostNames } from './names.js'
import { followQuery, QueryLimit } from './query.js'
import { RestartHold } from './restart-hold.js'

export interface ConsulOptions extends ConsulSettings {
  machine: SourceMachine
  log: Logger
}

/** Reaches nothing yet. */
export function openConsul(options: ConsulOptions): Source {
  const { url } = options
  return {
    name: 'consul',
    address: url,
    run: (signal, handlers) => new ConsulFollower(options, handlers, signal).run(),
    readOnce: () => readConsul(options),
  }
}

/** Changes that come together make one level. */
const TOGETHER_MS = 10
const NAMES_AGAIN_MS = 30_000

const parametersOf = ({ tag }: ConsulOptions): Record<string, string> =>
  tag === undefined ? {} : { tag }

function followedIn(body: unknown, { tag }: ConsulOptions): string[] {
  const named = [...readCatalog(body)].filter(([name]) => name !== OWN_SERVICE)
  return named.filter(([, tags]) => tag === undefined || tags.includes(tag)).map(([name]) => name)
}

const pathOf = (service: string): string => `health/service/${encodeURIComponent(service)}`

async function readConsul(options: ConsulOptions): Promise<SourceLevel> {
  const client = new ConsulClient(options)
  const names = new HostNames()
  const limit = new QueryLimit()
  const query = { index: 0, waitMs: 0, signal: new AbortController().signal }
  const parameters = parametersOf(options)
  try {
    const catalog = await client.ask({ ...query, path: 'catalog/services' })
    const reading = followedIn(catalog.body, options).map((name) =>
      limit.run(async () => {
        const { body } = await client.ask({ ...query, path: pathOf(name), parameters })
        return [name, readHealth(body, name)] as const
      }),
    )
    const services = new Map(await Promise.all(reading))
    await names.follow([...services.values()].flat().map(({ host }) => host))
    const addressOf = (host: string) => names.addressOf(host)
    const { isWarningServed } = options
    const whole = { services, refused: new Map(), addressOf, isHeld: () => false, isWarningServed }
    return makeConsulLevel(whole, options.machine)
  } finally {
    await client.close()
  }
}

class ConsulFollower {
  readonly #options: ConsulOptions
  readonly #handlers: SourceHandlers
  readonly #signal: AbortSignal
  readonly #client: ConsulClient
  readonly #limit = new QueryLimit()
  readonly #names = new HostNames()
  readonly #hold: RestartHold
  /** Service → what ends its query. */
  readonly #followed = new Map<string, AbortController>()
  readonly #queries = new Set<Promise<void>>()
  readonly #services = new Map<string, HealthEntry[]>()
  readonly #refused = new Map<string, string>()
  #isListed = false
  #awayReason: string | undefined
  #timer: NodeJS.Timeout | undefined
  #dueAtMs = Infinity

  constructor(options: ConsulOptions, handlers: SourceHandlers, signal: AbortSignal) {
    this.#options = options
    this.#handlers = handlers
    this.#signal = signal
    this.#client = new ConsulClient(options)
    this.#hold = new RestartHold(options.isWarningServed)
  }

  async run(): Promise<void> {
    const ask = (index: number, waitMs: number) =>
      this.#client.ask({ path: 'catalog/services', index, waitMs, signal: this.#signal })
    const onAnswer = (body: unknown) => this.#list(followedIn(body, this.#options))
    const onFailure = (reason: string) => this.#noteAway(reason)
    await followQuery({ ask, onAnswer, onFailure }, this.#limit, this.#signal)
    clearTimeout(this.#timer)
    await this.#client.close()
    await Promise.all(this.#queries)
  }

  #list(names: string[]): void {
    this.#noteBack()
    this.#isListed = true
    const wanted = new Set(names)
    for (const [name, query] of this.#followed) {
      if (!wanted.has(name)) {
        query.abort()
        this.#followed.delete(name)
        this.#services.delete(name)
        this.#refused.delete(name)
      }
    }
    for (const name of wanted) {
      if (!this.#followed.has(name)) {
        this.#follow(name)
      }
    }
    this.#schedule(TOGETHER_MS)
  }

  #follow(name: string): void {
    const stop = new AbortController()
    this.#followed.set(name, stop)
    const signal = AbortSignal.any([stop.signal, this.#signal])
    const parameters = parametersOf(this.#options)
    const query = followQuery(
      {
        ask: (index, waitMs) =>
          this.#client.ask({ path: pathOf(name), index, waitMs, signal, parameters }),
        onAnswer: (body) => {
          this.#noteBack()
          this.#services.set(name, readHealth(body, name))
          this.#refused.delete(name)
          this.#schedule(TOGETHER_MS)
        },
        onFailure: (reason, isRefused) => {
          if (isRefused) {
            this.#refuse(name, reason)
          } else {
            this.#noteAway(reason)
          }
        },
      },
      this.#limit,
      signal,
    )
    this.#queries.add(query)
    void query.then(() => this.#queries.delete(query))
  }

  /** What it had stays, as with Consul away; the others go on. */
  #refuse(name: string, reason: string): void {
    if (this.#refused.get(name) !== reason) {
      this.#refused.set(name, reason)
      this.#schedule(TOGETHER_MS)
    }
  }

  #noteAway(reason: string): void {
    this.#hold.noteAway()
    if (this.#awayReason !== reason) {
      this.#awayReason = reason
      this.#handlers.onAway(reason)
    }
  }

  #noteBack(): void {
    this.#hold.noteBack(Date.now())
    if (this.#awayReason !== undefined) {
      this.#awayReason = undefined
      this.#handlers.onAway(undefined)
    }
  }

  /** The sooner of two wishes counts. */
  #schedule(ms: number): void {
    const atMs = Date.now() + ms
    if (atMs >= this.#dueAtMs || this.#signal.aborted) {
      return
    }
    clearTimeout(this.#timer)
    this.#dueAtMs = atMs
    this.#timer = setTimeout(() => {
      this.#dueAtMs = Infinity
      this.#emit().catch((error: unknown) => {
        this.#options.log.error({ error: messageOf(error) }, 'what Consul says cannot be used')
      })
    }, ms)
  }

  async #emit(): Promise<void> {
    const entries = [...this.#services.values()].flat()
    const hasNames = await this.#names.follow(entries.map(({ host }) => host))
    // Without all of them a level would take away what only has not been read yet.
    const isWhole = [...this.#followed.keys()].every(
      (name) => this.#services.has(name) || this.#refused.has(name),
    )
    if (!this.#isListed || !isWhole || this.#signal.aborted) {
      return
    }
    const { machine, isWarningServed } = this.#options
    const nowMs = Date.now()
    const nextMs = this.#hold.note([...this.#services.values()].flat(), nowMs)
    const [services, refused] = [this.#services, this.#refused]
    const addressOf = (host: string) => this.#names.addressOf(host)
    const isHeld = (key: string) => this.#hold.isHeld(key, nowMs)
    const reading = { services, refused, addressOf, isHeld, isWarningServed }
    this.#handlers.onLevel(makeConsulLevel(reading, machine))
    if (nextMs !== undefined) {
      this.#schedule(nextMs + 1)
    }
    if (hasNames) {
      this.#schedule(NAMES_AGAIN_MS)
    }
  }
}

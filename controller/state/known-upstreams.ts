/**
 * Upstreams that nobody is in, and that are known all the same: a route leads there, or somebody
 * was in it a while ago. A request to one of them is answered 503, for it may be back in a moment.
 * An answer of 404 would be taken for the truth by caches and crawlers.
 */
import { isName } from '../../contract/guard/names.js'
import { DEFAULT_POLICY } from '../../contract/record/policy.js'
import type { Logger } from '../../runtime/logger.js'
import type { Desired, DesiredUpstream } from './desired.js'
import { EntryFile } from './entry-file.js'

export interface KnownOptions {
  /** A file in which they outlast a restart. */
  path: string
  /** For how long an upstream is known after its last instance went, in milliseconds. */
  forMs: number
  log: Logger
  /** Some are known no more. */
  onChange: () => void
  /** Unix milliseconds. */
  now?: () => number
}

const WRITE_DELAY_MS = 1000
/** The longest that a timer of Node's can wait. */
const MOST_WAIT_MS = 2 ** 31 - 1

/** In the file: somebody is in it. */
const PRESENT = 0

function named({ routes, streamRoutes }: Desired): Set<string> {
  const records = [...routes.values(), ...streamRoutes.values()].map(({ record }) => record)
  const targets = records.flatMap(({ upstream, split = [] }) => [
    ...(upstream === undefined ? [] : [upstream]),
    ...split.map((arm) => arm.upstream),
  ])
  return new Set(targets)
}

export class KnownUpstreams {
  readonly #options: KnownOptions
  readonly #now: () => number
  /** When the last instance went, in Unix milliseconds, by name. */
  readonly #seen = new Map<string, number>()
  /** Those in which somebody was when the file was written, until the registry is trusted. */
  #doubted = new Set<string>()
  readonly #nobody = new Map<string, DesiredUpstream>()
  #joined: { from: Desired; to: Desired } | undefined
  #followed: Desired['upstreams'] | undefined
  #named: { from: Desired; names: Set<string> } | undefined
  readonly #file: EntryFile<number>
  #expiry: NodeJS.Timeout | undefined

  constructor(options: KnownOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#file = new EntryFile({
      ...{ path: options.path, log: options.log, delayMs: WRITE_DELAY_MS },
      what: 'the known upstreams',
      parse: (name, atMs) =>
        isName(name) && Number.isSafeInteger(atMs) ? (atMs as number) : undefined,
      entries: () => this.#seen,
    })
    for (const [name, atMs] of this.#file.read()) {
      // Who was there then may have gone since: that counts from now.
      this.#seen.set(name, atMs === PRESENT ? this.#now() : atMs)
      if (atMs === PRESENT) {
        this.#doubted.add(name)
      }
    }
  }

  /** What the registry says, all of it, is this now. */
  follow({ upstreams }: Desired): void {
    if (upstreams === this.#followed) {
      return
    }
    this.#followed = upstreams
    for (const [name, { instances }] of upstreams) {
      if (instances.size > 0) {
        this.#doubted.delete(name)
        this.#see(name, PRESENT)
      }
    }
    for (const [name, atMs] of this.#seen) {
      if (atMs === PRESENT && (upstreams.get(name)?.instances.size ?? 0) === 0) {
        this.#see(name, this.#now())
      }
    }
    this.#expire()
  }

  /** The same with these upstreams, which are empty. The same object until something changes. */
  join(said: Desired): Desired {
    if (this.#joined?.from !== said) {
      const more = this.#namesFor(said).filter((name) => !said.upstreams.has(name))
      const upstreams = new Map([
        ...said.upstreams,
        ...more.map((name): [string, DesiredUpstream] => [name, this.#nobodyAt(name)]),
      ])
      this.#joined = { from: said, to: more.length === 0 ? said : { ...said, upstreams } }
    }
    return this.#joined.to
  }

  /**
   * That the registry has nobody in an upstream is believed, also of what a former controller knew.
   * Until then the table keeps what it has of them. True when there was any.
   */
  trust(): boolean {
    const hadAny = this.#doubted.size > 0
    this.#doubted.clear()
    this.#joined = undefined
    return hadAny
  }

  close(): void {
    clearTimeout(this.#expiry)
    this.#file.close()
  }

  #namesFor(said: Desired): string[] {
    const { routes, streamRoutes } = said
    const { from } = this.#named ?? {}
    if (from?.routes !== routes || from.streamRoutes !== streamRoutes) {
      this.#named = { from: said, names: named(said) }
    }
    const gone = [...this.#seen].flatMap(([name, atMs]) => (atMs === PRESENT ? [] : [name]))
    const all = new Set([...(this.#named?.names ?? []), ...gone])
    return [...all].filter((name) => !this.#doubted.has(name))
  }

  #nobodyAt(name: string): DesiredUpstream {
    const nobody = this.#nobody.get(name) ?? {
      ...{ name, policy: DEFAULT_POLICY, revision: 0 },
      instances: new Map(),
    }
    this.#nobody.set(name, nobody)
    return nobody
  }

  #see(name: string, atMs: number): void {
    if (this.#seen.get(name) !== atMs) {
      this.#seen.set(name, atMs)
      this.#changed()
    }
  }

  #changed(): void {
    this.#joined = undefined
    this.#file.changed()
  }

  /** Forgets those whose time is over, and comes again for the next. True when there were any. */
  #expire(): boolean {
    const before = this.#now() - this.#options.forMs
    const gone = [...this.#seen].filter(([, atMs]) => atMs !== PRESENT)
    const over = gone.filter(([, atMs]) => atMs <= before)
    for (const [name] of over) {
      this.#seen.delete(name)
      this.#nobody.delete(name)
      this.#changed()
    }
    clearTimeout(this.#expiry)
    const next = Math.min(...gone.map(([, atMs]) => (atMs > before ? atMs - before : Infinity)))
    if (next !== Infinity) {
      this.#expiry = setTimeout(() => this.#onTime(), Math.min(next + 1, MOST_WAIT_MS)).unref()
    }
    return over.length > 0
  }

  #onTime(): void {
    if (this.#expire()) {
      this.#options.onChange()
    }
  }
}

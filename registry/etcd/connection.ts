/**
 * One etcd client at a time, and its supervision. The etcd3 package's client may become unusable
 * when etcd restarts, and notices a dead link late or never. So a client that fails is given up:
 * everything made with it ends, and a new one, of the next endpoint, takes its place.
 */
import { performance } from 'node:perf_hooks'
import type { Etcd3 } from 'etcd3'
import { SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff, pause } from '../../runtime/retry.js'
import type { EtcdSettings } from '../../runtime/config/settings.js'
import { EtcdAlarms } from './alarms.js'
import { DEADLINE_MS, makeEtcdClient } from './client.js'
import { isAnswer, isTokenGone, reasonOf, toSluiceError, wasNeverSent } from './errors.js'
import { warnOfVersion } from './version.js'

export interface EtcdConnectionOptions {
  /** `http://host:port`, at least one. */
  endpoints: string[]
  settings: EtcdSettings
  /** A key that the user may read; asked for to see whether etcd is there. */
  probeKey: string
  log: Logger
}

/** A client that answered, until `ended`. */
export interface EtcdLink {
  client: Etcd3
  endpoint: string
  /** Aborts when the client is given up; its streams are of no use from then on. */
  ended: AbortSignal
}

const PROBE_EVERY_MS = 5000
/** Failed probes in a row after which the client is given up. */
const MOST_MISSES = 2
const MOST_TRIES = 3

export class EtcdConnection {
  readonly #options: EtcdConnectionOptions
  readonly #closing = new AbortController()
  readonly #backoff = new Backoff({ firstMs: 100, mostMs: 2000 })
  readonly #keeper: Promise<void>
  #link: EtcdLink | undefined
  #giveUp = new AbortController()
  #wake = new AbortController()
  #waiting: Array<() => void> = []
  readonly #followers = new Set<(reason: string) => void>()
  readonly #alarms: EtcdAlarms
  #reason = 'etcd was not reached yet'
  #turn = 0

  constructor(options: EtcdConnectionOptions) {
    this.#options = options
    this.#alarms = new EtcdAlarms(options.log)
    this.#keeper = this.#keep()
  }

  /** Why etcd refuses writes though it can be read, for people. */
  get writeProblem(): string | undefined {
    return this.#alarms.problem
  }

  /** Aborts when the connection is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /**
   * Calls `lost` with the reason each time that etcd is found out of reach. Returns a function that
   * stops that.
   */
  onLost(lost: (reason: string) => void): () => void {
    this.#followers.add(lost)
    return () => this.#followers.delete(lost)
  }

  /** The link, when there is one; undefined once the connection was closed or `signal` aborted. */
  async whenLinked(signal: AbortSignal): Promise<EtcdLink | undefined> {
    while (this.#link === undefined && !signal.aborted && !this.closed) {
      await this.#nextTry(signal)
    }
    return signal.aborted ? undefined : this.#link
  }

  /**
   * Calls etcd. What was never sent is tried again at the next endpoint, all within one deadline.
   * Rejects with SluiceErrors.
   */
  async call<T>(work: (client: Etcd3) => Promise<T>): Promise<T> {
    const endsAtMs = performance.now() + DEADLINE_MS
    for (let tries = 1; ; tries++) {
      const link = await this.#linkBy(endsAtMs)
      try {
        return await work(link.client)
      } catch (error) {
        const again = wasNeverSent(error) || isTokenGone(error)
        if (again) {
          this.giveUp(link, error)
        } else if (!isAnswer(error)) {
          this.doubt()
        }
        if (again && tries < MOST_TRIES && performance.now() < endsAtMs) {
          continue
        }
        throw toSluiceError(error, link.endpoint, this.#options.settings.username)
      }
    }
  }

  /** Something failed that may or may not be etcd's fault: has it probed now. */
  doubt(): void {
    this.#wake.abort()
  }

  /** Ends `link`, if it is still the one in use. */
  giveUp(link: EtcdLink, error: unknown): void {
    if (this.#link !== link) {
      return
    }
    this.#link = undefined
    this.#lose(reasonOf(error, link.endpoint, this.#options.settings.username))
    this.#giveUp.abort()
    this.#wake.abort()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#link = undefined
    this.#giveUp.abort()
    this.#wake.abort()
    this.#release()
    await this.#keeper
  }

  #nextTry(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.push(done)
      signal.addEventListener('abort', done)
    })
  }

  async #linkBy(endsAtMs: number): Promise<EtcdLink> {
    const timer = new AbortController()
    const timeout = setTimeout(() => timer.abort(), Math.max(0, endsAtMs - performance.now()))
    const link = await this.whenLinked(timer.signal)
    clearTimeout(timeout)
    if (link !== undefined) {
      return link
    }
    const reason = this.closed ? 'the registry was closed' : this.#reason
    throw new SluiceError('registry_unavailable', reason, { retryable: !this.closed })
  }

  /** Never rejects. No Loop: it waits between two endpoints, however the first one ended. */
  async #keep(): Promise<void> {
    while (!this.closed) {
      const { endpoints } = this.#options
      const endpoint = endpoints[this.#turn++ % endpoints.length] as string
      await this.#use(endpoint)
      await pause(this.#backoff.nextMs(), this.#closing.signal)
    }
  }

  /** Lives through one client: from its first probe until it is given up. */
  async #use(endpoint: string): Promise<void> {
    let client: Etcd3 | undefined
    try {
      client = makeEtcdClient(endpoint, this.#options.settings)
      await this.#probe(client)
      await this.#guard(client, endpoint)
    } catch (error) {
      this.#lose(reasonOf(error, endpoint, this.#options.settings.username))
    } finally {
      client?.close()
    }
  }

  async #guard(client: Etcd3, endpoint: string): Promise<void> {
    if (this.closed) {
      return
    }
    this.#giveUp = new AbortController()
    const link = { client, endpoint, ended: this.#giveUp.signal }
    this.#link = link
    this.#reason = ''
    this.#backoff.reset()
    this.#options.log.info({ endpoint }, 'etcd is connected')
    this.#release()
    void this.#alarms.look(client, endpoint)
    void warnOfVersion(client, endpoint, this.#options.log)
    let misses = 0
    while (this.#link === link) {
      this.#wake = new AbortController()
      if (misses === 0) {
        await pause(PROBE_EVERY_MS, this.#wake.signal)
      }
      if (this.#link !== link) {
        return
      }
      try {
        await this.#probe(client)
        await this.#alarms.look(client, endpoint)
        misses = 0
      } catch (error) {
        misses += 1
        if (misses >= MOST_MISSES || isTokenGone(error)) {
          this.giveUp(link, error)
        }
      }
    }
  }

  async #probe(client: Etcd3): Promise<void> {
    await client.kv.range({ key: Buffer.from(this.#options.probeKey), keys_only: true, limit: 1 })
  }

  #lose(reason: string): void {
    // Said once for each reason: an outage may last for days.
    if (reason !== this.#reason) {
      this.#options.log.warn({ reason }, 'etcd is out of reach')
    }
    this.#reason = reason
    for (const lost of this.#followers) {
      lost(reason)
    }
  }

  #release(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) {
      resolve()
    }
  }
}

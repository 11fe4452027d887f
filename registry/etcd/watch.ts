/**
 * Follows a range of etcd's keys over the raw watch stream. Each of these rules has cost somebody
 * updates:
 *
 * - The next start is one after the last event delivered, and nothing else moves it on.
 * - A cancel with a compact revision means: list again. Any other means: a new client.
 * - A revision that goes back means another store.
 * - Etcd itself may drop events, so everything is listed and compared from time to time.
 */
import type { IEvent, IWatchCreateRequest, IWatchResponse } from 'etcd3'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff, pause } from '../../runtime/retry.js'
import { guardHandlers } from '../watch-handlers.js'
import type { EtcdConnection, EtcdLink } from './connection.js'
import { isSameStore } from './identity.js'
import { EtcdKnown } from './known.js'
import { rangeOf, readRange, standingOf } from './range.js'
import type { EtcdListing } from './range.js'
import { followStream } from './stream.js'
import { commonPrefix } from '../operations.js'
import type { Watch, WatchHandlers } from '../registry.js'

export interface EtcdWatchOptions {
  connection: EtcdConnection
  /** What stands before each key. */
  root: string
  prefixes: string[]
  handlers: WatchHandlers
  /** Between comparisons of everything; each waits up to a fifth more or less. */
  auditMs: number
  log: Logger
}

/** A comparison that differs is believed when what was on its way has had this long to come. */
const GRACE_MS = 2000
/** The first comparison comes soon after a connection: what a store lost, it lost then. */
const FIRST_AUDIT_MS = 3000

export class EtcdWatch implements Watch {
  readonly #options: EtcdWatchOptions
  readonly #handlers: WatchHandlers
  /**
   * One range covers all prefixes. Only so does a transaction over several of them stay whole and
   * in order.
   */
  readonly #prefix: string
  readonly #known: EtcdKnown
  readonly #closing = new AbortController()
  readonly #backoff = new Backoff({ firstMs: 100, mostMs: 10_000 })
  readonly #running: Promise<void>
  #listed = false

  constructor(options: EtcdWatchOptions) {
    this.#options = options
    this.#handlers = guardHandlers(options.handlers, options.log)
    this.#prefix = commonPrefix(options.prefixes)
    this.#known = new EtcdKnown(options.root, options.prefixes)
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /**
   * Never rejects. No Loop: it waits after each stream, however that ended, and the first answer
   * makes the wait short.
   */
  async #run(): Promise<void> {
    const { connection } = this.#options
    const { signal } = this.#closing
    const stop = connection.onLost((reason) => this.#handlers.onConnected(false, reason))
    for (;;) {
      const link = await connection.whenLinked(signal)
      if (link === undefined) {
        break
      }
      try {
        await this.#use(link)
      } catch (error) {
        if (!signal.aborted) {
          connection.giveUp(link, error)
        }
      }
      await pause(this.#backoff.nextMs(), signal)
    }
    stop()
  }

  /** Resolves when something else is to be tried; rejects when the link is of no use. */
  async #use(link: EtcdLink): Promise<void> {
    if (!this.#listed) {
      await this.#list(link)
    }
    if (this.#closing.signal.aborted || link.ended.aborted) {
      return
    }
    const leave = new AbortController()
    const fragments: IEvent[] = []
    const audit = this.#audit(link, leave)
    try {
      const signal = AbortSignal.any([this.#closing.signal, leave.signal])
      const onResponse = (response: IWatchResponse) => this.#respond(response, fragments)
      await followStream({ link, create: this.#request(), signal, onResponse })
    } finally {
      leave.abort()
      await audit
    }
  }

  async #list(link: EtcdLink): Promise<void> {
    const listing = await readRange(link.client, this.#options.root, this.#prefix)
    const restored = await this.#isOtherStore(link, listing)
    if (this.#closing.signal.aborted) {
      return
    }
    if (restored) {
      this.#options.log.warn({ revision: listing.revision }, 'etcd holds another store than before')
    }
    this.#known.replace(listing)
    this.#listed = true
    const entries = this.#known.wanted(listing)
    this.#handlers.onListing({ revision: listing.revision, entries }, restored)
  }

  async #isOtherStore(link: EtcdLink, listing: EtcdListing): Promise<boolean> {
    if (this.#known.isOther(listing.standing) || this.#known.wentBack(listing)) {
      return true
    }
    return !(await isSameStore(link.client, this.#options.root, this.#known.entries, listing))
  }

  #request(): IWatchCreateRequest {
    return {
      ...rangeOf(this.#options.root + this.#prefix),
      start_revision: String(this.#known.revision + 1),
      fragment: true,
      progress_notify: true,
    }
  }

  /** True when all must be listed again. */
  #respond(response: IWatchResponse, fragments: IEvent[]): boolean {
    const { canceled, compact_revision, cancel_reason, created, header, events } = response
    if (canceled && Number(compact_revision) === 0) {
      throw new Error(cancel_reason === '' ? 'etcd canceled the watch' : cancel_reason)
    }
    if (canceled || this.#known.isOther(standingOf(header))) {
      this.#listed = false
      return true
    }
    if (created) {
      this.#backoff.reset()
      this.#handlers.onConnected(true)
    }
    fragments.push(...events)
    if (!response.fragment) {
      this.#deliver(fragments.splice(0))
    }
    return false
  }

  #deliver(events: IEvent[]): void {
    const { changes, revision } = this.#known.take(events)
    if (changes.length > 0) {
      this.#handlers.onChanges(changes, revision)
    }
  }

  /**
   * Compares from time to time, until `leave`. Aborts `leave` when something was missed. Never
   * rejects. No Loop: it ends with its stream, and a failure puts off nothing.
   */
  async #audit(link: EtcdLink, leave: AbortController): Promise<void> {
    const { auditMs, log } = this.#options
    const ending = AbortSignal.any([leave.signal, link.ended, this.#closing.signal])
    let waitMs = Math.min(FIRST_AUDIT_MS, auditMs)
    while (!ending.aborted) {
      await pause(waitMs * (0.8 + 0.4 * Math.random()), ending)
      waitMs = auditMs
      if (ending.aborted) {
        return
      }
      try {
        const missed = await this.#compare(link, ending)
        if (missed === undefined) {
          continue
        }
        log.warn({ key: missed }, 'etcd did not deliver a change; listing again')
        this.#listed = false
        leave.abort()
      } catch (error) {
        // The stream or the next probe shows whether the link is to blame.
        log.debug({ error: messageOf(error) }, 'etcd could not be compared')
      }
    }
  }

  async #compare(link: EtcdLink, ending: AbortSignal): Promise<string | undefined> {
    this.#known.beginComparison()
    try {
      const listing = await readRange(link.client, this.#options.root, this.#prefix)
      if (this.#known.differs(listing) === undefined) {
        return undefined
      }
      await pause(GRACE_MS, ending)
      return ending.aborted ? undefined : this.#known.differs(listing)
    } finally {
      this.#known.endComparison()
    }
  }
}

/**
 * Follows a controller's registry by server-sent events. After an outage it resumes, or lists
 * again.
 */
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff, pause } from '../../runtime/retry.js'
import { guardHandlers } from '../watch-handlers.js'
import type { HttpClient } from './client.js'
import { readServerEvents } from './sse.js'
import type { ServerEvent } from './sse.js'
import { applyChange } from '../operations.js'
import type { Change, RegistryEntry, Watch, WatchHandlers } from '../registry.js'

export interface HttpWatchOptions {
  client: HttpClient
  prefixes: string[]
  handlers: WatchHandlers
  log: Logger
}

export class HttpWatch implements Watch {
  readonly #options: HttpWatchOptions
  readonly #handlers: WatchHandlers
  readonly #closing = new AbortController()
  readonly #backoff = new Backoff({ firstMs: 100, mostMs: 2000 })
  readonly #running: Promise<void>
  #known = new Map<string, RegistryEntry>()
  #revision = 0
  /** What the controller needs to go on from here. */
  #lastEventId = ''
  /** Pieces of a listing that is still coming. */
  #pieces: RegistryEntry[] = []

  constructor(options: HttpWatchOptions) {
    this.#options = options
    this.#handlers = guardHandlers(options.handlers, options.log)
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /**
   * Never rejects. No Loop: it waits after each stream, however that ended, and the news of a
   * connection makes the wait short.
   */
  async #run(): Promise<void> {
    const { client, prefixes, log } = this.#options
    const { signal } = this.#closing
    const query = new URLSearchParams(
      prefixes.map((prefix): [string, string] => ['prefix', prefix]),
    )
    const path = `/v1/registry/watch?${query.toString()}`
    while (!signal.aborted) {
      let reason = `the controller at ${client.url} ended the watch`
      try {
        this.#pieces = []
        const { body } = await client.stream(path, this.#lastEventId, signal)
        for await (const event of readServerEvents(body)) {
          this.#take(event)
        }
      } catch (error) {
        reason = messageOf(error)
      }
      if (signal.aborted) {
        return
      }
      log.debug({ reason }, 'the watch of the registry broke off')
      this.#handlers.onConnected(false, reason)
      await pause(this.#backoff.nextMs(), signal)
    }
  }

  /** Throws when the event is none of a Sluice controller's. */
  #take({ name, id, data }: ServerEvent): void {
    if (this.#closing.signal.aborted) {
      return
    }
    const body = JSON.parse(data) as Record<string, unknown>
    if (name === 'entries') {
      this.#pieces.push(...(body.entries as RegistryEntry[]))
    }
    if (name === 'listing') {
      this.#list(body.revision as number, body.restored === true)
    }
    if (name === 'changes') {
      this.#change(body.changes as Change[], body.revision as number)
    }
    if (name === 'connected') {
      this.#connect(body.connected === true, body.reason as string)
    }
    if (id !== '') {
      this.#lastEventId = id
    }
  }

  #list(revision: number, restored: boolean): void {
    const entries = this.#pieces
    this.#pieces = []
    const wentBack = entries.some((entry) => {
      return entry.revision < (this.#known.get(entry.key)?.revision ?? 0)
    })
    const other = restored || wentBack || revision < this.#revision
    this.#known = new Map(entries.map((entry) => [entry.key, entry]))
    this.#revision = revision
    this.#handlers.onListing({ revision, entries }, other)
  }

  #change(changes: Change[], revision: number): void {
    // JSON has no undefined: a delete whose reason nobody knows has no `expired` at all.
    const delivered = changes.map((change) =>
      change.type === 'delete' ? { ...change, expired: change.expired } : change,
    )
    for (const change of delivered) {
      applyChange(this.#known, change)
    }
    this.#revision = revision
    this.#handlers.onChanges(delivered, revision)
  }

  #connect(connected: boolean, reason: string | undefined): void {
    if (connected) {
      this.#backoff.reset()
    }
    this.#handlers.onConnected(connected, reason)
  }
}

/** The watches of the embedded registry. */
import type { Logger } from '../../runtime/logger.js'
import { guardHandlers } from '../watch-handlers.js'
import { isUnder } from '../operations.js'
import type { Change, Listing, WatchHandlers } from '../registry.js'

interface Watcher {
  prefixes: string[]
  handlers: WatchHandlers
  listing: () => Listing
  /** Its first listing was delivered. */
  started: boolean
}

/** Who follows the embedded registry. */
export class EmbeddedWatches {
  readonly #log: Logger
  readonly #watchers = new Set<Watcher>()

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * The listing is delivered in the next turn of the event loop, and changes from there on. Returns
   * a function that stops it.
   */
  add(
    prefixes: string[],
    handlers: WatchHandlers,
    listing: () => Listing,
    broken: () => string | undefined,
  ): () => void {
    const guarded = guardHandlers(handlers, this.#log)
    const watcher = { prefixes, handlers: guarded, listing, started: false }
    this.#watchers.add(watcher)
    setImmediate(() => {
      if (!this.#watchers.has(watcher)) {
        return
      }
      watcher.started = true
      guarded.onListing(listing(), false)
      const reason = broken()
      guarded.onConnected(reason === undefined, reason)
    })
    return () => this.#watchers.delete(watcher)
  }

  changed(changes: readonly Change[], revision: number): void {
    for (const { prefixes, handlers } of this.#started()) {
      const wanted = changes.filter(({ key }) => isUnder(key, prefixes))
      if (wanted.length > 0) {
        handlers.onChanges(wanted, revision)
      }
    }
  }

  connected(connected: boolean, reason?: string): void {
    for (const { handlers } of this.#started()) {
      handlers.onConnected(connected, reason)
    }
  }

  /** Anything may differ from what was delivered. */
  relist(): void {
    for (const { handlers, listing } of this.#started()) {
      handlers.onListing(listing(), false)
      handlers.onConnected(true)
    }
  }

  clear(): void {
    this.#watchers.clear()
  }

  #started(): Watcher[] {
    return [...this.#watchers].filter(({ started }) => started)
  }
}

/**
 * Compares now and then what is served with what the registry says, by a listing of its own. The
 * watch and the adapters compare what they know; this asks what came of it.
 */
import type { Listing, Registry } from '../../registry/registry.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'

/** What is compared; {@link State} is one. */
interface Audited {
  /** From now on, what changes is noted. */
  beginAudit(): void
  /** Compares with the listing, and mends what differs. Returns the keys. */
  endAudit(listing: Listing): string[]
}

export interface AuditOptions {
  registry: Pick<Registry, 'list'>
  state: Audited
  log: Logger
  everyMs: number
  /** Whether there is something to compare: the registry is connected and was listed. */
  isDue(): boolean
  /** Waits until all changes up to a revision have come; may reject. */
  whenKnown: (revision: number) => Promise<void>
  /** What is served was compared. These keys differed, and have been mended. */
  onCompared: (keys: string[]) => void
}

const MOST_SHOWN = 20
const RETRY = { firstMs: 5000, mostMs: 60_000 }

export class Audit {
  readonly #options: AuditOptions
  readonly #loop: Loop

  constructor(options: AuditOptions) {
    this.#options = options
    this.#loop = new Loop({
      round: () => this.#round(),
      onError: (error) => options.log.debug({ error: messageOf(error) }, 'no comparison'),
      retry: RETRY,
    })
  }

  start(): void {
    this.#loop.start()
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  async #round(): Promise<void> {
    await pause(this.#options.everyMs, this.#loop.signal)
    if (!this.#loop.isClosed && this.#options.isDue()) {
      await this.compare()
    }
  }

  /** Rejects when the registry cannot be listed. */
  async compare(): Promise<void> {
    const { registry, state, log, whenKnown, onCompared } = this.#options
    state.beginAudit()
    const listing = await registry.list('')
    try {
      await whenKnown(listing.revision)
    } catch {
      // The watch is behind. That is a difference itself, and the listing mends it.
    }
    if (this.#loop.isClosed) {
      return
    }
    const keys = state.endAudit(listing)
    if (keys.length > 0) {
      const some = keys.slice(0, MOST_SHOWN)
      log.error({ count: keys.length, some }, 'what was served differed from the registry')
    }
    onCompared(keys)
  }
}

/**
 * What agents on other machines are sent of the registry, as server-sent events. One watch of the
 * registry serves all of them, and a memory of the last changes lets one that was cut off go on
 * where it was, without a listing.
 *
 * | event | data |
 * |---|---|
 * | `entries` | `{entries}`: a piece of the listing that ends with the next `listing` |
 * | `listing` | `{revision, restored}` |
 * | `changes` | `{revision, changes}` |
 * | `connected` | `{connected, reason?}`: whether the registry is in reach of this controller |
 */
import { randomBytes } from 'node:crypto'
import { Backlog } from '../http/backlog.js'
import { printEvent } from '../http/event-streams.js'
import type { Change, RegistryEntry, Registry, Watch } from '../../../registry/registry.js'

export interface FeedSink {
  prefixes: string[]
  /** Takes the text of an event or more. */
  write: (text: string) => void
  /** The feed is over. */
  end: () => void
}

/** Changes remembered. */
const MOST_CHANGES = 10_000
/** Entries in one event. */
const PIECE = 500

export class RegistryFeed {
  readonly #registry: Registry
  readonly #mayRead: (key: string) => boolean
  readonly #sinks = new Set<FeedSink>()
  /**
   * Distinguishes this run's revisions from those of another controller, or of the store before it
   * was restored.
   */
  #run = ''
  #watch: Watch | undefined
  #known = new Map<string, RegistryEntry>()
  #revision = 0
  #recent = new Backlog<Change>(MOST_CHANGES, 0)
  #listed = false
  #connected: { connected: boolean; reason: string | undefined } | undefined

  constructor(registry: Registry, mayRead: (key: string) => boolean) {
    this.#registry = registry
    this.#mayRead = mayRead
  }

  /**
   * Sends `sink` all, or what came after `lastEventId`, and then whatever comes. Answers the way to
   * stop that.
   */
  attach(sink: FeedSink, lastEventId: string): () => void {
    this.#follow()
    this.#sinks.add(sink)
    if (this.#listed) {
      const since = this.#resumable(lastEventId)
      if (since === undefined) {
        this.#sendAll(sink, false)
      } else {
        this.#sendChanges(sink, this.#recent.above(since))
      }
    }
    if (this.#connected !== undefined) {
      sink.write(printEvent('connected', this.#connected))
    }
    return () => this.#sinks.delete(sink)
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks) {
      sink.end()
    }
    this.#sinks.clear()
    await this.#watch?.close()
  }

  #follow(): void {
    this.#watch ??= this.#registry.watch([''], {
      onListing: ({ revision, entries }, restored) => {
        const readable = entries.filter(({ key }) => this.#mayRead(key))
        this.#known = new Map(readable.map((entry) => [entry.key, entry]))
        this.#revision = revision
        this.#recent = new Backlog(MOST_CHANGES, revision)
        this.#listed = true
        if (restored || this.#run === '') {
          this.#run = randomBytes(6).toString('hex')
        }
        for (const sink of this.#sinks) {
          this.#sendAll(sink, restored)
        }
      },
      onChanges: (changes, revision) => {
        this.#remember(
          changes.filter(({ key }) => this.#mayRead(key)),
          revision,
        )
      },
      onConnected: (connected, reason) => {
        this.#connected = { connected, reason }
        for (const sink of this.#sinks) {
          sink.write(printEvent('connected', this.#connected))
        }
      },
    })
  }

  #remember(changes: Change[], revision: number): void {
    this.#revision = revision
    for (const change of changes) {
      if (change.type === 'delete') {
        this.#known.delete(change.key)
      } else {
        this.#known.set(change.key, change)
      }
    }
    changes.forEach((change) => this.#recent.push(change))
    for (const sink of this.#sinks) {
      this.#sendChanges(sink, changes)
    }
  }

  /** The revision to go on from; undefined when what came since is not remembered. */
  #resumable(lastEventId: string): number | undefined {
    const [run, text] = lastEventId.split('.')
    const revision = Number(text)
    const known = run === this.#run && revision >= this.#recent.floor && revision <= this.#revision
    return known ? revision : undefined
  }

  #sendAll(sink: FeedSink, restored: boolean): void {
    const entries = [...this.#known.values()].filter(({ key }) => isFor(sink, key))
    entries.sort((a, b) => (a.key < b.key ? -1 : 1))
    for (let i = 0; i < entries.length; i += PIECE) {
      const piece = entries.slice(i, i + PIECE)
      const plain = piece.map(({ key, value, revision }) => ({ key, value, revision }))
      sink.write(printEvent('entries', { entries: plain }))
    }
    sink.write(printEvent('listing', { revision: this.#revision, restored }, this.#id()))
  }

  #sendChanges(sink: FeedSink, all: Change[]): void {
    const changes = all.filter(({ key }) => isFor(sink, key))
    if (changes.length === 0) {
      return
    }
    sink.write(printEvent('changes', { revision: this.#revision, changes }, this.#id()))
  }

  #id(): string {
    return `${this.#run}.${this.#revision}`
  }
}

function isFor({ prefixes }: FeedSink, key: string): boolean {
  return prefixes.some((prefix) => key.startsWith(prefix))
}

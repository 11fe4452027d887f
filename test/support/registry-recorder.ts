/** Records what a watch of a registry reports. */
import type { Change, RegistryEntry, Registry, Watch } from '../../registry/registry.js'
import { until } from '../../lab/until.js'

/** A watch that keeps what it delivers, and holds it to the promises of the interface. */
export class Recorder {
  readonly listings: { revision: number; restored: boolean; keys: string[] }[] = []
  readonly changes: Change[] = []
  /** Changes as they came, call by call. */
  readonly calls: Change[][] = []
  readonly connected: { connected: boolean; reason: string | undefined }[] = []
  /** What its user would know. */
  readonly known = new Map<string, RegistryEntry>()
  /** Promises broken. */
  readonly faults: string[] = []
  revision = 0
  readonly #watch: Watch

  constructor(registry: Registry, prefixes: string[]) {
    this.#watch = registry.watch(prefixes, {
      onListing: (listing, restored) => {
        const keys = listing.entries.map(({ key }) => key)
        this.listings.push({ revision: listing.revision, restored, keys })
        this.known.clear()
        for (const entry of listing.entries) {
          this.known.set(entry.key, entry)
        }
        this.revision = listing.revision
      },
      onChanges: (changes, revision) => this.#record(changes, revision),
      onConnected: (connected, reason) => this.connected.push({ connected, reason }),
    })
  }

  get online(): boolean {
    return this.connected.at(-1)?.connected === true
  }

  /** What is known, as `{key: value}`. */
  values(): Record<string, string> {
    const sorted = [...this.known.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    return Object.fromEntries(sorted.map(({ key, value }) => [key, value]))
  }

  async whenOnline(): Promise<this> {
    await until(() => this.online && this.listings.length > 0, {
      deadlineMs: 20_000,
      what: 'a watch that is connected and listed',
    })
    return this
  }

  async whenAt(revision: number, deadlineMs = 20_000): Promise<void> {
    await until(() => this.revision >= revision, { deadlineMs, what: `revision ${revision}` })
  }

  close(): Promise<void> {
    return this.#watch.close()
  }

  #record(changes: Change[], revision: number): void {
    if (this.listings.length === 0) {
      this.faults.push('a change came before the listing')
    }
    this.calls.push(changes)
    for (const change of changes) {
      const last = this.changes.at(-1)?.revision ?? 0
      if (change.revision < last) {
        this.faults.push(`${change.revision} came after ${last}`)
      }
      if (change.revision <= this.revision) {
        this.faults.push(`${change.revision} came twice`)
      }
      if (change.revision > revision) {
        this.faults.push(`${change.revision} is above ${revision}`)
      }
      this.changes.push(change)
      if (change.type === 'delete') {
        this.known.delete(change.key)
      } else {
        this.known.set(change.key, change)
      }
    }
    this.revision = revision
  }
}

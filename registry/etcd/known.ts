/** What a watch of etcd knows of its keys. */
import type { IEvent } from 'etcd3'
import { isGone, recordIn } from '../../contract/record/gone-mark.js'
import type { EtcdListing, Standing } from './range.js'
import { entryOf, hasLease } from './range.js'
import { applyChange, isUnder } from '../operations.js'
import type { Change, RegistryEntry } from '../registry.js'

/** What one watch has delivered, which is what its user knows. */
export class EtcdKnown {
  readonly #root: string
  readonly #prefixes: readonly string[]
  #entries = new Map<string, RegistryEntry>()
  /** Keys that stand under a lease. */
  #leased = new Set<string>()
  /** Deletes delivered while a comparison is under way. */
  #deleted: Map<string, number> | undefined
  #standing: Standing | undefined
  #revision = 0

  constructor(root: string, prefixes: readonly string[]) {
    this.#root = root
    this.#prefixes = prefixes
  }

  /** Everything up to this was delivered. */
  get revision(): number {
    return this.#revision
  }

  get entries(): RegistryEntry[] {
    return [...this.#entries.values()]
  }

  /** What of a listing is wanted here. */
  wanted({ entries }: EtcdListing): RegistryEntry[] {
    return entries.filter(({ key }) => isUnder(key, this.#prefixes))
  }

  /** Whether a key that is known has become older: then the listing is of another store. */
  wentBack(listing: EtcdListing): boolean {
    return listing.entries.some(
      ({ key, revision }) => revision < (this.#entries.get(key)?.revision ?? 0),
    )
  }

  replace(listing: EtcdListing): void {
    this.#entries = new Map(this.wanted(listing).map((entry) => [entry.key, entry]))
    this.#leased = new Set([...this.#entries.keys()].filter((key) => listing.leased.has(key)))
    this.#standing = listing.standing
    this.#revision = listing.revision
  }

  /** Whether an answer cannot come from the store known, as it was known or later. */
  isOther({ clusterId, revision, term }: Standing): boolean {
    const known = this.#standing
    if (known === undefined) {
      return false
    }
    return clusterId !== known.clusterId || term < known.term || revision < this.#revision
  }

  /** Takes over events; answers what of them is news, in order. */
  take(events: readonly IEvent[]): { changes: Change[]; revision: number } {
    const since = this.#revision
    const changes: Change[] = []
    for (const event of events) {
      const revision = Number(event.kv.mod_revision)
      // Some versions of etcd deliver twice.
      if (revision <= since) {
        continue
      }
      this.#revision = Math.max(this.#revision, revision)
      const change = this.#changeOf(event)
      if (!isUnder(change.key, this.#prefixes)) {
        continue
      }
      changes.push(change)
      applyChange(this.#entries, change)
      if (change.type === 'delete') {
        this.#deleted?.set(change.key, revision)
      }
    }
    return { changes, revision: this.#revision }
  }

  /** To be called before the listing that {@link differs} will be asked about. */
  beginComparison(): void {
    this.#deleted = new Map()
  }

  endComparison(): void {
    this.#deleted = undefined
  }

  /**
   * The first key that `listing` holds differently, or undefined. A change after the listing is
   * news, not a difference.
   */
  differs(listing: EtcdListing): string | undefined {
    const wanted = this.wanted(listing)
    const missed = wanted.find(({ key, revision }) => {
      const known = this.#entries.get(key)
      if (known === undefined) {
        return (this.#deleted?.get(key) ?? 0) <= revision
      }
      // Older than listed: a change was missed. Newer, but older than the listing: another history
      // than ours.
      return (
        known.revision < revision ||
        (known.revision > revision && known.revision <= listing.revision)
      )
    })
    if (missed !== undefined) {
      return missed.key
    }
    const there = new Set(wanted.map(({ key }) => key))
    for (const { key, revision } of this.#entries.values()) {
      if (!there.has(key) && revision <= listing.revision) {
        return key
      }
    }
    return undefined
  }

  #changeOf({ type, kv }: IEvent): Change {
    const { key, value, revision } = entryOf(kv, this.#root)
    const wasLeased = this.#leased.delete(key)
    if (type !== 'Delete' && String(type) !== 'DELETE') {
      if (hasLease(kv)) {
        this.#leased.add(key)
      }
      return { type: 'put', key, value, revision }
    }
    // Etcd does not say why a key went. What had no lease, or was marked, somebody deleted.
    const isMeant = !wasLeased || isGone(recordIn(this.#entries.get(key)?.value ?? ''))
    return { type: 'delete', key, revision, expired: isMeant ? false : undefined }
  }
}

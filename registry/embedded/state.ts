/** What the embedded registry knows, in memory, and what a group of commits would make of it. */
import { byKey, changedError, leaseGone } from '../operations.js'
import type { Content, Rows, Stored } from './store.js'
import type { Change, RegistryEntry, Listing, Lookup, RegistryOperation } from '../registry.js'

/** Above this many moved keys they are all sorted again. */
const MOST_MOVES = 256

export class EmbeddedState {
  revision: number
  readonly entries: Map<string, Stored>
  readonly leases: Map<string, number>
  readonly #keysOf = new Map<string, Set<string>>()
  #sorted: string[]
  /** Keys that came or went since `#sorted` was made. */
  #moved = new Set<string>()

  constructor({ revision, entries, leases }: Content) {
    this.revision = revision
    this.entries = entries
    this.leases = leases
    this.#sorted = [...entries.keys()].sort()
    for (const [key, stored] of entries) {
      this.#bind(key, stored.lease)
    }
  }

  /** Everything under any of `prefixes`, sorted by key. */
  listing(prefixes: readonly string[]): Listing {
    const sorted = this.#sortedKeys()
    const ranges = outermost(prefixes)
    const entries = ranges.flatMap((prefix) => this.#range(sorted, prefix))
    return { revision: this.revision, entries: ranges.length > 1 ? entries.sort(byKey) : entries }
  }

  lookup(key: string): Lookup {
    const stored = this.entries.get(key)
    const entry = stored && { key, value: stored.value, revision: stored.revision }
    return { revision: this.revision, entry }
  }

  keysOf(lease: string): ReadonlySet<string> {
    return this.#keysOf.get(lease) ?? new Set()
  }

  /** Takes over what was drafted and is now on the disk. */
  adopt(rows: Rows): void {
    this.revision = rows.revision
    for (const [key, stored] of rows.entries) {
      this.#set(key, stored)
    }
    for (const [id, ttlMs] of rows.leases) {
      if (ttlMs === undefined) {
        this.leases.delete(id)
      } else {
        this.leases.set(id, ttlMs)
      }
    }
  }

  #set(key: string, stored: Stored | undefined): void {
    const known = this.entries.get(key)
    if (known !== undefined) {
      this.#unbind(key, known.lease)
    }
    if ((known === undefined) !== (stored === undefined)) {
      this.#moved.add(key)
    }
    if (stored === undefined) {
      this.entries.delete(key)
      return
    }
    this.entries.set(key, stored)
    this.#bind(key, stored.lease)
  }

  #bind(key: string, lease: string): void {
    if (lease === '') {
      return
    }
    const keys = this.#keysOf.get(lease) ?? new Set()
    this.#keysOf.set(lease, keys.add(key))
  }

  #unbind(key: string, lease: string): void {
    const keys = this.#keysOf.get(lease)
    keys?.delete(key)
    if (keys?.size === 0) {
      this.#keysOf.delete(lease)
    }
  }

  #sortedKeys(): string[] {
    // A few moves cost less than a walk over all keys, which each single write would pay.
    if (this.#moved.size > MOST_MOVES) {
      this.#sorted = [...this.entries.keys()].sort()
    } else {
      for (const key of this.#moved) {
        this.#move(key)
      }
    }
    this.#moved.clear()
    return this.#sorted
  }

  #move(key: string): void {
    const at = firstAtLeast(this.#sorted, key)
    const isListed = this.#sorted[at] === key
    if (this.entries.has(key)) {
      this.#sorted.splice(at, isListed ? 1 : 0, key)
    } else if (isListed) {
      this.#sorted.splice(at, 1)
    }
  }

  #range(sorted: string[], prefix: string): RegistryEntry[] {
    const found: RegistryEntry[] = []
    for (let i = firstAtLeast(sorted, prefix); i < sorted.length; i++) {
      const key = sorted[i] as string
      if (!key.startsWith(prefix)) {
        break
      }
      const { value, revision } = this.entries.get(key) as Stored
      found.push({ key, value, revision })
    }
    return found
  }
}

/** Prefixes that stand under another one add nothing. */
function outermost(prefixes: readonly string[]): string[] {
  const distinct = [...new Set(prefixes)]
  return distinct.filter((one) => !distinct.some((other) => other !== one && one.startsWith(other)))
}

function firstAtLeast(sorted: string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as string) < key) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return low
}

/**
 * Changes to a state that have not reached the disk. A step that throws leaves the draft as it was.
 */
export class EmbeddedDraft implements Rows {
  revision: number
  readonly entries = new Map<string, Stored | undefined>()
  readonly leases = new Map<string, number | undefined>()
  /** In the order of their revision. */
  readonly changes: Change[] = []
  readonly #state: EmbeddedState

  constructor(state: EmbeddedState) {
    this.#state = state
    this.revision = state.revision
  }

  get empty(): boolean {
    return this.entries.size === 0 && this.leases.size === 0
  }

  /** The revision that the operations have, or the one that is when they change nothing. */
  commit(operations: readonly RegistryOperation[]): number {
    for (const operation of operations) {
      this.#require(operation)
    }
    const effective = operations.filter(
      ({ type, key }) => type === 'put' || this.#get(key) !== undefined,
    )
    if (effective.length === 0) {
      return this.revision
    }
    this.revision += 1
    for (const operation of effective) {
      this.#apply(operation)
    }
    return this.revision
  }

  grant(id: string, ttlMs: number): void {
    this.leases.set(id, ttlMs)
  }

  hasLease(id: string): boolean {
    return (this.leases.has(id) ? this.leases.get(id) : this.#state.leases.get(id)) !== undefined
  }

  /** Deletes the lease's keys, at one revision. */
  endLease(id: string, expired: boolean): void {
    if (!this.hasLease(id)) {
      return
    }
    this.leases.set(id, undefined)
    const candidates = new Set([...this.#state.keysOf(id), ...this.entries.keys()])
    const keys = [...candidates].filter((key) => this.#get(key)?.lease === id).sort()
    if (keys.length === 0) {
      return
    }
    this.revision += 1
    for (const key of keys) {
      this.#delete(key, expired)
    }
  }

  #get(key: string): Stored | undefined {
    return this.entries.has(key) ? this.entries.get(key) : this.#state.entries.get(key)
  }

  #require(operation: RegistryOperation): void {
    const { key, ifRevision } = operation
    if (ifRevision !== undefined && (this.#get(key)?.revision ?? 0) !== ifRevision) {
      throw changedError(key)
    }
    const lease = operation.type === 'put' ? operation.lease : undefined
    if (lease !== undefined && !this.hasLease(lease)) {
      throw leaseGone(lease)
    }
  }

  #apply(operation: RegistryOperation): void {
    if (operation.type === 'delete') {
      this.#delete(operation.key, false)
      return
    }
    const { key, value, lease = '' } = operation
    this.entries.set(key, { value, revision: this.revision, lease })
    this.changes.push({ type: 'put', key, value, revision: this.revision })
  }

  #delete(key: string, expired: boolean): void {
    this.entries.set(key, undefined)
    this.changes.push({ type: 'delete', key, revision: this.revision, expired })
  }
}

/**
 * Where all records are, of every kind that `contract/keys.ts` names. Keys are relative to one
 * cluster. Values are text, and what they mean is not the registry's business. One suite,
 * test/conformance/registry.test.ts, holds every adapter to the promises written here.
 */

/**
 * A key as it stands. `revision` is of its last change, and never goes down while the store lives.
 */
export interface RegistryEntry {
  key: string
  value: string
  revision: number
}

/**
 * `expired` is true when the key went with its lease, false when somebody deleted it, undefined
 * when that is not known.
 */
export type Change =
  | { type: 'put'; key: string; value: string; revision: number }
  | { type: 'delete'; key: string; revision: number; expired: boolean | undefined }

export interface Listing {
  /** The store's revision at which this was true. */
  revision: number
  entries: RegistryEntry[]
}

/** One key, looked up. `entry` is undefined when it is not there. */
export interface Lookup {
  /** The store's revision at which this was true. */
  revision: number
  entry: RegistryEntry | undefined
}

export interface PutOperation {
  type: 'put'
  key: string
  value: string
  /** The key lives as long as this lease; absent: until it is deleted. */
  lease?: string
  /** Only if the key's revision is this; 0: only if it is not there. */
  ifRevision?: number
}

interface DeleteOperation {
  type: 'delete'
  key: string
  ifRevision?: number
}

export type RegistryOperation = PutOperation | DeleteOperation

export interface WatchHandlers {
  /**
   * The whole of what is watched. Comes first, and again whenever changes may have been missed
   * (reconnection after compaction, a wiped store, the regular full comparison). It replaces
   * everything known before. A known key that is absent was deleted; when and why is not known.
   * `restored` is true when the store is not the one known before (wiped, or an older backup): what
   * is missing then may never have been deleted.
   */
  onListing(listing: Listing, restored: boolean): void
  /**
   * Changes in the order of their revision, none twice, none missing. All of one transaction come
   * in one call.
   */
  onChanges(changes: Change[], revision: number): void
  /**
   * The store went out of reach, or came back. While it is away nothing is delivered and nothing
   * assumed.
   */
  onConnected(connected: boolean, reason?: string): void
}

export interface Watch {
  close(): Promise<void>
}

/** A time-bound claim. It is renewed by itself until it is released, revoked or lost. */
export interface Lease {
  readonly id: string
  /**
   * Resolves when the lease is gone and we did not end it. Its keys went or will go with it. Never
   * rejects.
   */
  readonly lost: Promise<void>
  /** Renews once, now, and starts the full time anew. Rejects when the lease is gone. */
  renew(): Promise<void>
  /** Stops renewing; the keys stay until the time is over. */
  release(): Promise<void>
  /** Ends the lease and deletes its keys, now. */
  revoke(): Promise<void>
}

export interface LeaseOptions {
  ttlMs: number
  /** False: nothing renews it but `renew`. Default true. */
  keepAlive?: boolean
}

export interface Registry {
  /** The key as it stands. Rejects with `registry_unavailable`. */
  get(key: string): Promise<Lookup>
  /** What stands under `prefix` ('' is everything), by key. Rejects with `registry_unavailable`. */
  list(prefix: string): Promise<Listing>
  /**
   * Does all of `operations` or none, at one new revision, which is durable once this resolves. A
   * key may be named once only. Rejects with `changed` when a condition does not hold (the error's
   * `field` is the key), with `registry_unavailable` when it is not known to have happened, with
   * `not_found` when a lease is gone.
   */
  commit(operations: RegistryOperation[]): Promise<{ revision: number }>
  /**
   * Follows everything under the given prefixes until closed. Never throws; it recovers from
   * outages by itself.
   */
  watch(prefixes: string[], handlers: WatchHandlers): Watch
  /**
   * Why writes are refused while reads are answered, for people. Undefined when no such reason is
   * known.
   */
  writeProblem(): string | undefined
  grant(options: LeaseOptions): Promise<Lease>
  /**
   * Takes up a lease that another process (or an earlier run of this one) was granted. Rejects with
   * `not_found`.
   */
  adopt(id: string, options: LeaseOptions): Promise<Lease>
  /** Frees everything; leases are released, not revoked. */
  close(): Promise<void>
}

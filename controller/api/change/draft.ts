/**
 * What a call (or a whole batch) would change, before any of it is done: the registry as it stands,
 * with the changes planned so far laid over it. Later calls of a batch see earlier ones; the
 * registry sees all or nothing.
 */
import { parseKey } from '../../../contract/keys.js'
import type { RecordKey } from '../../../contract/keys.js'
import type { RegistryEntry, Registry } from '../../../registry/registry.js'
import { withoutKey } from './redact.js'

/** A key as planned. */
export interface Write {
  key: string
  /** What the registry has; undefined when it has nothing. */
  base: RegistryEntry | undefined
  /** Undefined when the key is to go. */
  record: object | undefined
  /** The record as it is written. */
  text: string | undefined
  /** The key lives only as long as a lease of this length. */
  ttlMs?: number
  /** Fields of what was there that stay in it, although this version does not know them. */
  kept?: readonly string[]
  /** Which call of the batch wrote it last. */
  call: number
}

/**
 * One line of a dry run and of the audit log; `before` and `after` are records, null where there is
 * none.
 */
export interface Difference {
  op: 'create' | 'update' | 'delete'
  kind: 'upstream' | 'instance' | 'override' | 'route' | 'certificate'
  upstream?: string
  id?: string
  before: unknown
  after: unknown
  /** Revision of what was there; 0 when nothing was. */
  beforeRevision: number
  call: number
}

/** Lookups under way at once, so that a large batch does not flood a remote store. */
const PARALLEL_READS = 64

export class Draft {
  readonly #registry: Registry
  readonly #base = new Map<string, RegistryEntry | undefined>()
  readonly #writes = new Map<string, Write>()
  #revision = 0
  /** Index of the call that is being planned. */
  call = 0

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** The highest revision at which the store was read so far. */
  get revision(): number {
    return this.#revision
  }

  /** Reads many keys ahead, so that planning call by call does not wait for each. */
  async prefetch(keys: readonly string[]): Promise<void> {
    const wanted = [...new Set(keys)].filter((key) => !this.#base.has(key))
    for (let at = 0; at < wanted.length; at += PARALLEL_READS) {
      await Promise.all(wanted.slice(at, at + PARALLEL_READS).map((key) => this.#fetch(key)))
    }
  }

  /**
   * The key's record as planned; undefined when there is none, null when what is there is no JSON.
   */
  async read(key: string): Promise<unknown> {
    const write = this.#writes.get(key)
    return write === undefined ? this.stored(key) : write.record
  }

  /** The same of what the registry has, whatever is planned. */
  async stored(key: string): Promise<unknown> {
    const value = (await this.#fetch(key))?.value
    return value === undefined ? undefined : parsed(value)
  }

  /** The registry's revision of the key, whatever is planned; 0 when it is not there. */
  async revisionOf(key: string): Promise<number> {
    return (await this.#fetch(key))?.revision ?? 0
  }

  /** Keys under a prefix that ends with a slash, as planned. */
  async keysUnder(prefix: string): Promise<string[]> {
    const listing = await this.#registry.list(prefix)
    this.#revision = Math.max(this.#revision, listing.revision)
    for (const entry of listing.entries) {
      if (!this.#base.has(entry.key)) {
        this.#base.set(entry.key, entry)
      }
    }
    const planned = [...this.#writes.values()].filter((write) => write.key.startsWith(prefix))
    const keys = new Set(listing.entries.map((entry) => entry.key))
    planned.forEach((write) =>
      write.record === undefined ? keys.delete(write.key) : keys.add(write.key),
    )
    return [...keys]
  }

  async put(key: string, record: object, more: Pick<Write, 'ttlMs' | 'kept'> = {}): Promise<void> {
    const base = await this.#fetch(key)
    const text = JSON.stringify(record)
    this.#writes.set(key, { key, base, record, text, ...more, call: this.call })
  }

  async delete(key: string): Promise<void> {
    const base = await this.#fetch(key)
    this.#writes.set(key, { key, base, record: undefined, text: undefined, call: this.call })
  }

  writes(): Write[] {
    return [...this.#writes.values()]
  }

  differences(): Difference[] {
    return this.writes().flatMap((write) => {
      const difference = differenceOf(write)
      return difference === undefined ? [] : [difference]
    })
  }

  async #fetch(key: string): Promise<RegistryEntry | undefined> {
    if (this.#base.has(key)) {
      return this.#base.get(key)
    }
    const { revision, entry } = await this.#registry.get(key)
    this.#revision = Math.max(this.#revision, revision)
    this.#base.set(key, entry)
    return entry
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Somebody else wrote it. It is there, so it can be replaced or deleted, but it means nothing.
    return null
  }
}

/** Whether the record is on its way out: its registrar marked it just before deleting it. */
export function isLeaving(record: unknown): boolean {
  return typeof record === 'object' && record !== null && 'gone' in record
}

function differenceOf(write: Write): Difference | undefined {
  const stored = write.base === undefined ? undefined : parsed(write.base.value)
  const before = stored === undefined || isLeaving(stored) ? null : stored
  const after = write.record ?? null
  const same = write.text === write.base?.value
  const key = parseKey(write.key)
  if (same || key === null || (before === null && after === null)) {
    return undefined
  }
  return {
    op: before === null ? 'create' : after === null ? 'delete' : 'update',
    ...namesOf(key),
    before: key.kind === 'certificates' ? withoutKey(before) : before,
    after: key.kind === 'certificates' ? withoutKey(after) : after,
    beforeRevision: before === null ? 0 : (write.base?.revision ?? 0),
    call: write.call,
  }
}

function namesOf(key: RecordKey): Pick<Difference, 'kind' | 'upstream' | 'id'> {
  switch (key.kind) {
    case 'upstreams':
      return { kind: 'upstream', upstream: key.upstream }
    case 'instances':
      return { kind: 'instance', upstream: key.upstream, id: key.id }
    case 'overrides':
      return { kind: 'override', upstream: key.upstream, id: key.id }
    case 'certificates':
      return { kind: 'certificate', id: key.id }
    case 'routes':
    case 'hosts':
    case 'gateways':
    case 'presence':
    case 'secrets':
    case 'agents':
    case 'owners':
      return { kind: 'route', id: key.id }
  }
}

/** Registry listings and changes → {@link Desired}. */
import { printAddress } from '../../contract/guard/address.js'
import { parseKey } from '../../contract/keys.js'
import type { Change, RegistryEntry, Listing } from '../../registry/registry.js'
import type { Logger } from '../../runtime/logger.js'
import { Addresses } from './shared-addresses.js'
import { Border } from './border.js'
import type { AdmitOptions, AdmittedKey } from './border.js'
import type { ControlEvent } from '../views.js'
import type { RefusedView, SuspectView } from '../views.js'
import { instanceState } from './desired.js'
import type { Desired } from './desired.js'
import { Losses } from './recent-losses.js'
import { Store } from './store.js'
import type { KnownRecord, KnownInstance } from './store.js'
import { Suspects } from './suspects.js'
import type { SuspectOptions } from './suspects.js'

export interface StateOptions extends AdmitOptions {
  suspects: SuspectOptions
  onEvent(event: ControlEvent): void
  /** Held removals took effect by themselves, or were confirmed. */
  onBelieved(): void
}

/** The kinds that make the table; writes to others never move the revision. */
function tableKey(key: string): AdmittedKey | undefined {
  const parsed = parseKey(key)
  return parsed === null || parsed.kind === 'hosts' || parsed.kind === 'gateways'
    ? undefined
    : parsed
}

function isOfTable(key: string): boolean {
  return /^(upstreams|instances|overrides|routes|certificates)\//.test(key)
}

function highest(items: Array<{ key: string; revision: number }>): number {
  return items.reduce(
    (most, item) => (isOfTable(item.key) ? Math.max(most, item.revision) : most),
    0,
  )
}

function append<T>(groups: Map<string, T[]>, group: string, item: T): void {
  const items = groups.get(group)
  if (items === undefined) {
    groups.set(group, [item])
  } else {
    items.push(item)
  }
}

export class State {
  readonly #options: StateOptions
  readonly #log: Logger
  readonly #border: Border
  readonly #suspects: Suspects
  readonly #losses: Losses<KnownInstance>
  readonly #addresses: Addresses
  readonly #store = new Store()
  #revision = 0
  #known = 0
  #listed = false

  constructor(options: StateOptions) {
    this.#options = options
    this.#log = options.log
    this.#border = new Border(options)
    this.#losses = new Losses(options.suspects)
    this.#addresses = new Addresses(options.log)
    this.#suspects = new Suspects(options.suspects, (keys) => this.#believe(keys))
  }

  /** Revision of the store up to which everything is known; 0 before the first listing. */
  get known(): number {
    return this.#known
  }

  /** True once a whole listing came. */
  get listed(): boolean {
    return this.#listed
  }

  desired(): Desired {
    return this.#store.desired(this.#revision)
  }

  /** Takes a whole listing in place of all that was known. */
  listing(listing: Listing, restored: boolean): void {
    const present = new Set(listing.entries.map((entry) => entry.key))
    const gone = this.#store.keys().filter((key) => !present.has(key) && !this.#suspects.has(key))
    const isEmpty = !listing.entries.some((entry) => isOfTable(entry.key))
    if (restored) {
      this.#revision = 0
      this.#known = 0
    }
    listing.entries.filter((entry) => this.#isNews(entry)).forEach((entry) => this.#put(entry))
    if (gone.length > 0 && (restored || isEmpty)) {
      const why = restored ? 'the registry was replaced' : 'the registry became empty'
      this.#hold(gone, `${why}; this was not in it`)
    } else {
      this.#vanished(gone, listing.revision)
    }
    this.#know(Math.max(highest(listing.entries), gone.length > 0 ? listing.revision : 0))
    this.#known = Math.max(this.#known, listing.revision)
    this.#listed = true
  }

  /** Takes the changes of one or more transactions. */
  changes(changes: Change[], revision: number): void {
    const expired: string[] = []
    for (const change of changes) {
      if (change.type === 'put') {
        this.#put(change)
      } else if (change.expired === false || !change.key.startsWith('instances/')) {
        this.#remove(change.key, change.revision)
      } else {
        expired.push(change.key)
      }
    }
    this.#vanished(expired, revision)
    this.#know(highest(changes))
    this.#known = Math.max(this.#known, revision)
  }

  connected(connected: boolean): void {
    this.#suspects.connected(connected)
  }

  /**
   * Some gateway has `revision` of this store. A listing cannot tell the revision of what was
   * deleted before it, so a controller that starts anew would else count lower than those that saw
   * the deletion.
   */
  raise(revision: number): void {
    if (revision <= this.#known) {
      this.#know(revision)
    }
  }

  /** Values of the registry that are not served as they stand. */
  refused(): RefusedView[] {
    return this.#border.refused()
  }

  suspects(): SuspectView[] {
    return this.#suspects.view()
  }

  confirm(upstream?: string): void {
    this.#suspects.confirm(upstream)
  }

  close(): void {
    this.#suspects.close()
  }

  #know(revision: number): void {
    this.#revision = Math.max(this.#revision, revision)
  }

  #isNews(entry: RegistryEntry): boolean {
    return this.#suspects.has(entry.key) || this.#store.get(entry.key)?.revision !== entry.revision
  }

  #put(entry: { key: string; value: string; revision: number }): void {
    const key = tableKey(entry.key)
    if (key === undefined) {
      if (isOfTable(entry.key)) {
        this.#border.refuse(entry.key, 'key', 'is not a key of ours')
      }
      return
    }
    const admitted = this.#border.admit(entry.key, key, entry.value)
    if (admitted === undefined) {
      return
    }
    if (admitted.kind === 'instances' && admitted.record.gone === true) {
      this.#remove(entry.key, entry.revision)
      return
    }
    const kept: KnownRecord = { ...admitted, revision: entry.revision }
    this.#suspects.release(entry.key)
    this.#track(this.#store.get(entry.key), kept)
    this.#store.put(kept)
    this.#emit(kept, entry.revision)
  }

  #remove(key: string, revision: number): void {
    this.#suspects.release(key)
    this.#border.forget(key)
    const kept = this.#store.remove(key, revision)
    if (kept !== undefined) {
      this.#track(kept, undefined)
      this.#emit(kept, revision, 'removed')
    }
  }

  #track(before: KnownRecord | undefined, after: KnownRecord | undefined): void {
    if (before?.kind === 'instances') {
      this.#addresses.remove(printAddress(before.record.host, before.record.port), before.upstream)
    }
    if (after?.kind !== 'instances') {
      return
    }
    this.#addresses.add(printAddress(after.record.host, after.record.port), after.upstream)
    const was = before?.kind === 'instances' ? before.record.agent : undefined
    const agent = after.record.agent
    if (was !== undefined && agent !== undefined && was !== agent) {
      const { upstream, id } = after
      this.#log.warn(
        { upstream, id, agents: [was, agent] },
        'two agents register one instance; the last one wins',
      )
    }
  }

  /** Keys that nobody is known to have deleted. */
  #vanished(keys: string[], revision: number): void {
    const byUpstream = new Map<string, KnownInstance[]>()
    for (const key of keys) {
      const kept = this.#store.get(key)
      if (kept?.kind !== 'instances') {
        this.#remove(key, revision)
      } else if (!this.#suspects.has(key)) {
        append(byUpstream, kept.upstream, kept)
      }
    }
    byUpstream.forEach((lost, upstream) => this.#lost(upstream, lost, revision))
  }

  #lost(upstream: string, lost: KnownInstance[], revision: number): void {
    const keyOf = (kept: KnownInstance) => `instances/${kept.upstream}/${kept.id}`
    const before = this.#store.count(upstream)
    const isBack = (kept: KnownInstance) => this.#store.get(keyOf(kept)) !== undefined
    const earlier = this.#losses.add(upstream, before, lost, isBack)
    if (earlier === undefined) {
      lost.forEach((kept) => this.#remove(keyOf(kept), revision))
      return
    }
    for (const kept of earlier) {
      this.#track(undefined, kept)
      this.#store.put(kept)
    }
    const all = [...earlier, ...lost]
    const of = before + earlier.length
    this.#hold(all.map(keyOf), `${all.length} of ${of} registrations were lost at once`)
  }

  #hold(keys: string[], reason: string): void {
    const held = keys.map((key) => {
      const kept = this.#store.get(key)
      this.#store.suspect(key, reason)
      return kept?.kind === 'instances'
        ? { key, upstream: kept.upstream, id: kept.id }
        : { key, upstream: '', id: '' }
    })
    this.#suspects.hold(held, reason)
    this.#log.error(
      { count: keys.length, reason },
      'a removal is held as suspect; what was removed serves on',
    )
    const byUpstream = new Map<string, string[]>()
    for (const { upstream, id } of held) {
      append(byUpstream, upstream, id)
    }
    byUpstream.delete('')
    byUpstream.forEach((instances, upstream) => {
      this.#options.onEvent({ type: 'suspect', revision: this.#known, upstream, instances, reason })
    })
  }

  #believe(keys: string[]): void {
    keys.forEach((key) => this.#remove(key, this.#known))
    this.#know(this.#known)
    this.#log.warn({ count: keys.length }, 'held removals are believed now')
    this.#options.onBelieved()
  }

  #emit(kept: KnownRecord, revision: number, removed?: 'removed'): void {
    const emit = (event: ControlEvent) => this.#options.onEvent(event)
    if (kept.kind === 'routes' || kept.kind === 'certificates') {
      const kind = kept.kind === 'routes' ? 'route' : 'certificate'
      emit({ type: 'change', revision, kind, id: kept.id, state: removed ?? 'set' })
    } else if (kept.kind === 'upstreams') {
      const { upstream } = kept
      emit({ type: 'change', revision, kind: 'upstream', upstream, state: removed ?? 'set' })
    } else {
      const { upstream, id } = kept
      const instance = this.#store.instance(upstream, id)
      const state = instance === undefined ? 'removed' : instanceState(instance).state
      emit({ type: 'change', revision, kind: 'instance', upstream, id, state })
    }
  }
}

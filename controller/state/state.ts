/** Registry listings and changes → {@link Desired}. */
import { printKey } from '../../contract/keys.js'
import { isLeased, isGone, recordIn } from '../../contract/record/gone-mark.js'
import type { Change, RegistryEntry, Listing } from '../../registry/registry.js'
import type { Logger } from '../../runtime/logger.js'
import { DoubleRegistrations } from './double-registrations.js'
import { isOfTable, readRecord, tableKey } from './read-record.js'
import type { BorderRules, TableKey } from './read-record.js'
import { Refusals } from './refusals.js'
import type { RefusalOptions } from './refusals.js'
import type { ControllerEvent, RefusedView, SuspectView } from '../views.js'
import { changeEvent } from './change-event.js'
import type { Desired } from './desired.js'
import type { LastGood } from './last-good.js'
import { Removals } from './removals.js'
import { KnownRecords } from './known-records.js'
import type { KnownRecord, ResolvedInstance } from './known-records.js'
import type { SuspectOptions } from './suspects.js'

export interface StateOptions extends BorderRules, RefusalOptions {
  suspects: SuspectOptions
  /** Absent: what was good before a restart is not known after it. */
  lastGood?: LastGood
  onEvent: (event: ControllerEvent) => void
  /** Held removals took effect by themselves, or were confirmed. */
  onBelieved(): void
}

function highest(items: Array<{ key: string; revision: number }>): number {
  return items.reduce(
    (most, item) => (isOfTable(item.key) ? Math.max(most, item.revision) : most),
    0,
  )
}

export class State {
  readonly #options: StateOptions
  readonly #log: Logger
  readonly #refusals: Refusals
  readonly #removals: Removals
  readonly #lastGood: LastGood | undefined
  readonly #doubles: DoubleRegistrations
  readonly #records = new KnownRecords()
  /** Of the last change that the table may show. */
  #tableRevision = 0
  /** Up to which everything came, also what is of no concern to the table. */
  #known = 0
  #listed = false
  /** Keys that changed since an audit began; undefined while there is none. */
  #moved: Set<string> | undefined

  constructor(options: StateOptions) {
    this.#options = options
    this.#log = options.log
    this.#refusals = new Refusals(options)
    this.#lastGood = options.lastGood
    this.#doubles = new DoubleRegistrations(options.log)
    this.#removals = new Removals({
      ...{ store: this.#records, suspects: options.suspects, log: options.log },
      onEvent: options.onEvent,
      onGone: (key, revision) => this.#remove(key, revision),
      onBack: (kept) => this.#keep(kept),
      onBelieved: (keys) => this.#believe(keys),
    })
  }

  /** Revision of the registry up to which everything is known; 0 before the first listing. */
  get known(): number {
    return this.#known
  }

  /** True once a whole listing came. */
  get listed(): boolean {
    return this.#listed
  }

  desired(): Desired {
    return this.#records.desired(this.#tableRevision)
  }

  /** All that the names of an upstream answer now. */
  resolve(upstream: string, resolved: ReadonlyMap<string, ResolvedInstance>): void {
    this.#records.resolve(upstream, resolved)
  }

  /** Takes a whole listing in place of all that was known. */
  onListing(listing: Listing, restored: boolean): void {
    const present = new Set(listing.entries.map((entry) => entry.key))
    const gone = this.#records
      .keys()
      .filter((key) => !present.has(key) && !this.#removals.isHeld(key))
    this.#lastGood?.retain(present)
    const isEmpty = !listing.entries.some((entry) => isOfTable(entry.key))
    if (restored) {
      this.#tableRevision = 0
      this.#known = 0
    }
    listing.entries.filter((entry) => this.#isNews(entry)).forEach((entry) => this.#put(entry))
    if (gone.length > 0 && (restored || isEmpty)) {
      const why = restored ? 'the registry was replaced' : 'the registry became empty'
      this.#removals.hold(gone, `${why}; this was not in it`, this.#known)
    } else {
      this.#vanished(gone, listing.revision)
    }
    this.#raiseTable(Math.max(highest(listing.entries), gone.length > 0 ? listing.revision : 0))
    this.#known = Math.max(this.#known, listing.revision)
    this.#listed = true
  }

  /**
   * Takes the changes of one or more transactions, in the order of their revisions. Only lost
   * leases are judged at the end, all of them together; what is put again until then is not lost.
   */
  onChanges(changes: Change[], revision: number): void {
    const lost = new Set<string>()
    for (const change of changes) {
      this.#moved?.add(change.key)
      if (this.#isPast(change)) {
        continue
      }
      lost.delete(change.key)
      if (change.type === 'put') {
        this.#put(change)
      } else if (this.#isLoss(change)) {
        lost.add(change.key)
      } else {
        this.#remove(change.key, change.revision)
      }
    }
    this.#removals.lost([...lost], revision)
    this.#raiseTable(highest(changes))
    this.#known = Math.max(this.#known, revision)
  }

  beginAudit(): void {
    this.#moved = new Set()
  }

  /**
   * Compares all that is known with a listing, but for what changed since the audit began, and
   * takes the listing's word. Returns the keys that differed.
   */
  endAudit(listing: Listing): string[] {
    const moved = this.#moved ?? new Set()
    this.#moved = undefined
    const present = new Set(listing.entries.map(({ key }) => key))
    const stale = listing.entries.filter((entry) => !moved.has(entry.key) && this.#differs(entry))
    const extra = this.#records
      .keys()
      .filter((key) => !present.has(key) && !moved.has(key) && !this.#removals.isHeld(key))
    stale.forEach((entry) => this.#put(entry))
    this.#vanished(extra, listing.revision)
    this.#raiseTable(Math.max(highest(stale), extra.length > 0 ? listing.revision : 0))
    return [...stale.map(({ key }) => key), ...extra]
  }

  setConnected(connected: boolean): void {
    this.#removals.connected(connected)
  }

  /**
   * Some gateway has `revision` of the registry. A listing does not show the revision of what was
   * deleted before it. So a controller that starts anew would count lower than those that saw the
   * deletion.
   */
  raise(revision: number): void {
    if (revision <= this.#known) {
      this.#raiseTable(revision)
    }
  }

  suspects(): SuspectView[] {
    return this.#removals.views()
  }

  /** Values of the registry that are not served as they stand. */
  refused(): RefusedView[] {
    return this.#refusals.refused()
  }

  /** Values of the registry that are served without some of their fields. */
  partly(): RefusedView[] {
    return this.#refusals.partly()
  }

  confirm(upstream?: string): void {
    this.#removals.confirm(upstream)
  }

  close(): void {
    this.#removals.close()
    this.#lastGood?.close()
  }

  #raiseTable(revision: number): void {
    this.#tableRevision = Math.max(this.#tableRevision, revision)
  }

  #isNews(entry: RegistryEntry): boolean {
    return (
      this.#removals.isHeld(entry.key) || this.#records.get(entry.key)?.revision !== entry.revision
    )
  }

  /** What is known of the key is newer. Of a store that was replaced, revisions say nothing. */
  #isPast({ key, revision }: Change): boolean {
    return !this.#removals.isHeld(key) && (this.#records.get(key)?.revision ?? 0) > revision
  }

  /** Whether a value that could be served is not, or another one is. */
  #differs(entry: RegistryEntry): boolean {
    const { key, value } = entry
    if (tableKey(key) === undefined || this.#refusals.has(key) || !this.#isNews(entry)) {
      return false
    }
    return this.#records.get(key) !== undefined || !isGone(recordIn(value))
  }

  #put(entry: RegistryEntry): void {
    const { key, value: text, revision } = entry
    const parsed = tableKey(key)
    if (parsed === undefined) {
      if (isOfTable(key)) {
        this.#refusals.refuse(key, 'key', 'is not a key of ours', revision)
      }
      return
    }
    const read = readRecord(parsed, text, this.#options)
    if (!read.ok && parsed.kind === 'instances' && isGone(recordIn(text))) {
      // Whatever else it says, it is about to be deleted.
      this.#remove(key, revision)
      return
    }
    if (!read.ok) {
      this.#refusals.refuse(key, read.field, read.message, revision)
      this.#keepLastGood(key, parsed)
      return
    }
    this.#lastGood?.drop(key)
    const { admitted, unknown } = read.value
    if (admitted.kind === 'instances' && isGone(admitted.record)) {
      this.#remove(key, revision)
      return
    }
    this.#refusals.accept(key, unknown, revision)
    this.#removals.settle(key)
    const kept: KnownRecord = { ...admitted, text, revision }
    this.#keep(kept)
    this.#options.onEvent(changeEvent(kept, revision, this.#records))
  }

  /** What is refused never replaces what was good: that serves on, after a restart too. */
  #keepLastGood(key: string, parsed: TableKey): void {
    const kept = this.#records.get(key)
    const last = this.#lastGood?.get(key)
    if (kept !== undefined) {
      this.#lastGood?.keep(key, { text: kept.text, revision: kept.revision })
    } else if (last !== undefined) {
      const read = readRecord(parsed, last.text, this.#options)
      if (read.ok) {
        this.#keep({ ...read.value.admitted, ...last })
      }
    }
  }

  #keep(kept: KnownRecord): void {
    this.#doubles.replace(this.#records.get(printKey(kept)), kept)
    this.#records.put(kept)
  }

  #remove(key: string, revision: number): void {
    this.#removals.settle(key)
    this.#refusals.forget(key)
    this.#lastGood?.drop(key)
    const kept = this.#records.remove(key, revision)
    if (kept !== undefined) {
      this.#doubles.replace(kept, undefined)
      this.#options.onEvent(changeEvent(kept, revision, this.#records, 'removed'))
    }
  }

  /**
   * Some stores know why a key went. Where one does not, the record says whether it had a lease.
   */
  #isLoss({ key, expired }: Extract<Change, { type: 'delete' }>): boolean {
    return expired === true
      ? key.startsWith('instances/')
      : expired !== false && this.#mayBeLost(key)
  }

  /** What has no lease cannot be lost by one: then somebody deleted it. */
  #mayBeLost(key: string): boolean {
    const kept = this.#records.get(key)
    return kept?.kind === 'instances' && isLeased(kept.record)
  }

  /** A listing has them no more, and does not say why. */
  #vanished(keys: string[], revision: number): void {
    const lost = keys.filter((key) => this.#mayBeLost(key))
    const deleted = keys.filter((key) => !this.#mayBeLost(key))
    deleted.forEach((key) => this.#remove(key, revision))
    this.#removals.lost(lost, revision)
  }

  #believe(keys: string[]): void {
    keys.forEach((key) => this.#remove(key, this.#known))
    this.#raiseTable(this.#known)
    this.#log.warn({ count: keys.length }, 'suspects are taken out of service')
    this.#options.onBelieved()
  }
}

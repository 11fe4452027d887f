/** What the registry has no more: removed at once, or held while it is not to be believed. */
import type { Logger } from '../../runtime/logger.js'
import type { ControllerEvent, SuspectView } from '../views.js'
import { LostLeases, leaseOf } from './lost-leases.js'
import type { Loss, MassLoss } from './lost-leases.js'
import type { KnownInstance, KnownRecords } from './known-records.js'
import { Suspects } from './suspects.js'
import type { SuspectOptions } from './suspects.js'

export interface RemovalOptions {
  store: KnownRecords
  suspects: SuspectOptions
  log: Logger
  onEvent: (event: ControllerEvent) => void
  /** It is to go from the store. */
  onGone: (key: string, revision: number) => void
  /** It was removed shortly before, and is to come back. */
  onBack: (kept: KnownInstance) => void
  /** Held removals are believed: these keys are to go. */
  onBelieved: (keys: string[]) => void
}

export class Removals {
  readonly #options: RemovalOptions
  readonly #suspects: Suspects
  readonly #losses: LostLeases<KnownInstance>

  constructor(options: RemovalOptions) {
    this.#options = options
    this.#losses = new LostLeases(options.suspects)
    this.#suspects = new Suspects(options.suspects, options.onBelieved)
  }

  /** Whether the key is gone from the registry, and serves on. */
  isHeld(key: string): boolean {
    return this.#suspects.has(key)
  }

  views(): SuspectView[] {
    return this.#suspects.view()
  }

  connected(connected: boolean): void {
    this.#suspects.setConnected(connected)
  }

  confirm(upstream?: string): void {
    this.#suspects.confirm(upstream)
  }

  close(): void {
    this.#suspects.close()
  }

  /** It is in the registry, or was deleted on purpose: nothing of it is lost or held. */
  settle(key: string): void {
    this.#suspects.release(key)
    this.#losses.forget(key)
  }

  /** These instances went with their leases, as of `revision`. */
  lost(keys: string[], revision: number): void {
    const { store, onGone, onBack } = this.#options
    const losses = keys.flatMap((key) => this.#lossOf(key))
    const mass = losses.length === 0 ? undefined : this.#judge(losses)
    if (mass === undefined) {
      losses.forEach(({ key }) => onGone(key, revision))
      losses.forEach((loss) => this.#losses.note(loss))
      return
    }
    const earlier = mass.earlier.filter(({ key }) => store.get(key) === undefined)
    earlier.forEach(({ item }) => onBack(item))
    const all = [...earlier, ...losses].map(({ key }) => key)
    this.hold(all, mass.reason, revision)
  }

  /** They serve on, until that is believed. */
  hold(keys: string[], reason: string, revision: number): void {
    const { store, log, onEvent } = this.#options
    const held = keys.map((key) => {
      const kept = store.get(key)
      store.suspect(key, reason)
      return kept?.kind === 'instances'
        ? { key, upstream: kept.upstream, id: kept.id }
        : { key, upstream: '', id: '' }
    })
    this.#suspects.hold(held, reason)
    log.error(
      { count: keys.length, reason },
      'much was lost at once, and nobody took it out; it is kept in service for now (suspects)',
    )
    for (const upstream of new Set(held.map((one) => one.upstream))) {
      const instances = held.flatMap((one) => (one.upstream === upstream ? [one.id] : []))
      if (upstream !== '') {
        onEvent({ type: 'suspect', revision, upstream, instances, reason })
      }
    }
  }

  #lossOf(key: string): Loss<KnownInstance>[] {
    const kept = this.#options.store.get(key)
    return kept?.kind !== 'instances' || this.#suspects.has(key)
      ? []
      : [{ key, upstream: kept.upstream, lease: leaseOf(key, kept.record), item: kept }]
  }

  #judge(losses: Loss<KnownInstance>[]): MassLoss<KnownInstance> | undefined {
    const { store } = this.#options
    return this.#losses.judge(losses, {
      instances: (upstream) => store.count(upstream),
      leases: store.leases,
      isUnsettled: this.#suspects.isUnsettled,
    })
  }
}

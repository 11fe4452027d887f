/**
 * Registrations that were lost with their leases in the last seconds, of all upstreams together.
 * One by one they look harmless. Together they may say that the registry, or the way to it, was the
 * cause.
 */
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import type { SuspectOptions } from './suspects.js'

export interface Loss<T> {
  key: string
  upstream: string
  /** The lease that it stood under, as {@link leaseOf} names it. */
  lease: string
  /** What was lost. */
  item: T
}

/** What there was in the moment before the loss. */
export interface Census {
  /** Instances of an upstream. */
  instances(upstream: string): number
  /** Leases of instances. */
  leases: number
  /** Whether the registry was out of reach, or is back for less than it takes to believe it. */
  isUnsettled: boolean
}

export interface MassLoss<T> {
  /** For people: `4 of 6 registrations were lost at once`. */
  reason: string
  /** What was lost shortly before, and believed then: it comes back as well. */
  earlier: Loss<T>[]
}

/** Below this many, instances of an upstream or leases, the share that is lost says nothing. */
const LARGE = 5
/** Whether losing `lost` of `before` at once is too much to be believed. */
export function isMassLoss(before: number, lost: number): boolean {
  return before >= LARGE && lost * 2 > before
}

/** This many upstreams without anybody left, at once, are too many to be by chance. */
const MOST_EMPTIED = 2

/** An agent has one lease for all of its instances; any other instance has its own. */
export function leaseOf(key: string, { agent }: InstanceRecord): string {
  return agent === undefined ? key : `agent ${agent}`
}

export class LostLeases<T> {
  readonly #options: SuspectOptions
  readonly #recent = new Map<string, Loss<T> & { atMs: number }>()

  constructor(options: SuspectOptions) {
    this.#options = options
  }

  /**
   * Undefined: what is lost just now is to be believed. Otherwise it is too much to be believed,
   * and so is what was lost shortly before.
   */
  judge(lost: Loss<T>[], census: Census): MassLoss<T> | undefined {
    this.#prune(this.#options.now())
    const earlier = [...this.#recent.values()]
    const reason = reasonOf(earlier, lost, census)
    if (reason === undefined) {
      return undefined
    }
    this.#recent.clear()
    return { reason, earlier }
  }

  /** It was lost, and that is believed for now. */
  note(loss: Loss<T>): void {
    this.#recent.set(loss.key, { ...loss, atMs: this.#options.now() })
  }

  /** It came back by itself, or somebody deleted it on purpose: it is lost no more. */
  forget(key: string): void {
    this.#recent.delete(key)
  }

  #prune(atMs: number): void {
    for (const [key, loss] of this.#recent) {
      if (atMs - loss.atMs > this.#options.windowMs) {
        this.#recent.delete(key)
      }
    }
  }
}

function countBy<T>(losses: Loss<T>[]): Map<string, number> {
  const counts = new Map<string, number>()
  losses.forEach(({ upstream }) => counts.set(upstream, (counts.get(upstream) ?? 0) + 1))
  return counts
}

/** Why all of them together are not believed. What is `earlier` is not in the census any more. */
function reasonOf<T>(earlier: Loss<T>[], lost: Loss<T>[], census: Census): string | undefined {
  if (census.isUnsettled) {
    return `the registry was out of reach, and ${lost.length} registrations ended with it`
  }
  const before = countBy(earlier)
  const emptied: string[] = []
  for (const [upstream, count] of countBy([...earlier, ...lost])) {
    const all = census.instances(upstream) + (before.get(upstream) ?? 0)
    if (isMassLoss(all, count)) {
      return `${count} of ${all} registrations were lost at once`
    }
    if (count === all) {
      emptied.push(upstream)
    }
  }
  if (emptied.length >= MOST_EMPTIED) {
    return `${emptied.length} upstreams lost all of their registrations at once`
  }
  const leases = new Set([...earlier, ...lost].map(({ lease }) => lease)).size
  const all = census.leases + new Set(earlier.map(({ lease }) => lease)).size
  return leases >= LARGE && leases * 2 > all ? `${leases} leases ended at once` : undefined
}

/** All gateways of the cluster: this controller's own, and what the others publish of theirs. */
import type { Code } from '../../contract/codes.js'
import type { FetchedNginx } from '../../runtime/private-nginx.js'
import type { GatewayCondition, GatewayRecord } from '../../contract/record/gateway-record.js'
import { sidOfRecord } from '../state/sid.js'
import type { GatewayView, InFlight, RefusedView } from '../views.js'
import { instanceState } from '../state/desired.js'
import type { Desired } from '../state/desired.js'
import type { OtherGateway, OtherGateways } from './other-gateways.js'
import type { OwnGateway } from './own-gateway.js'
import type { LinkView } from '../push/gateway-link.js'

type Count = number | undefined

/** More than a person reads, and little enough to be written again and again. */
const MOST_CONDITIONS = 1000
const MOST_REFUSED = 100
/** A gateway that is away for longer than this is not waited for: it may be away for days. */
const LONG_AWAY_MS = 5000
const AWAY = 'its controller does not report'

function sum(counts: Count[]): Count {
  let total = 0
  for (const count of counts) {
    if (count === undefined) {
      return undefined
    }
    total += count
  }
  return total
}

function faultOf({ reason, code }: Partial<Pick<LinkView, 'reason' | 'code'>>): {
  reason?: string
  code?: Code
} {
  return { ...(reason !== undefined && { reason }), ...(code !== undefined && { code }) }
}

function isLongAway({ connected, sinceAtMs }: GatewayView): boolean {
  return !connected && sinceAtMs !== undefined && Date.now() - sinceAtMs > LONG_AWAY_MS
}

/** What another gateway shows. One whose controller is gone shows what it last had. */
function viewOf(id: string, desired: number, { record, awaySinceAtMs }: OtherGateway): GatewayView {
  const { applied, connected, workers, nginx, njs, conditions, refused = [], sinceAtMs } = record
  const about = {
    ...{ id, applied, desired, lagMs: 0, workers, nginx, njs, conditions, refused },
    ...(record.nginxFetchedAtMs !== undefined && { nginxFetchedAtMs: record.nginxFetchedAtMs }),
  }
  return awaySinceAtMs === undefined
    ? { ...about, connected, ...(sinceAtMs !== undefined && { sinceAtMs }), ...faultOf(record) }
    : {
        ...about,
        connected: false,
        sinceAtMs: awaySinceAtMs,
        ...{ reason: AWAY, code: 'gateway_unavailable' },
      }
}

export interface GatewaySetOptions {
  /** Of the own gateway. */
  id: string
  ownGateway: OwnGateway
  others: OtherGateways
  desired: () => Desired
  /** What the own gateway refuses. */
  refused: () => RefusedView[]
  /** The nginx that Sluice fetched for this home; undefined: there is none. */
  fetched: () => FetchedNginx | undefined
}

/** The view of a gateway that refuses what came with this revision says so. */
function withRefusal(view: GatewayView, revision: number): GatewayView {
  const refused = view.refused?.find((each) => each.revision === revision)
  const reason = `it refuses the value at ${refused?.key}: ${refused?.message}`
  return refused === undefined || !view.connected ? view : { ...view, code: 'invalid', reason }
}

export class GatewaySet {
  readonly #id: string
  readonly #ownGateway: OwnGateway
  readonly #others: OtherGateways
  readonly #desired: () => Desired
  readonly #refused: () => RefusedView[]
  readonly #fetched: () => FetchedNginx | undefined
  /** When each gateway was first seen behind; of `performance.now()`. */
  readonly #behindSinceMs = new Map<string, number>()

  constructor({ id, ownGateway, others, desired, refused, fetched }: GatewaySetOptions) {
    this.#id = id
    this.#ownGateway = ownGateway
    this.#others = others
    this.#desired = desired
    this.#refused = refused
    this.#fetched = fetched
  }

  /** Every gateway that is known, the own one first: connected or not, it may serve. */
  views(): GatewayView[] {
    const desired = this.#desired().revision
    const others = [...this.#others.all()].map(([id, other]) => viewOf(id, desired, other))
    const { reason, code, ...view } = this.#ownGateway.view()
    const ownView: GatewayView = {
      id: this.#id,
      applied: this.#ownGateway.applied(),
      desired,
      lagMs: this.#ownGateway.lagMs(),
      ...view,
      ...this.#fetchedOf(view),
      stream: this.#ownGateway.stream(),
      conditions: this.#conditions(),
      refused: this.#refused(),
      ...faultOf({ reason, code }),
    }
    return [ownView, ...others].map((each) => ({ ...each, lagMs: this.#lagMs(each) }))
  }

  /** A gateway's own figure may be too low: its controller is gone, or its stream{} is late. */
  #lagMs({ id, applied, desired, lagMs }: GatewayView): number {
    if (applied >= desired) {
      this.#behindSinceMs.delete(id)
      return Math.round(lagMs)
    }
    const now = performance.now()
    const sinceMs = this.#behindSinceMs.get(id) ?? now
    this.#behindSinceMs.set(id, sinceMs)
    return Math.round(Math.max(lagMs, now - sinceMs))
  }

  /**
   * Those that have not applied `revision`, and those that refuse what came with it, whatever they
   * applied; the store is known up to `known`.
   */
  pending(revision: number, known: number): GatewayView[] {
    // A write that concerns no table moves the store's revision, but not the desired one.
    const wanted = known >= revision ? Math.min(revision, this.#desired().revision) : revision
    const refuses = ({ refused = [] }: GatewayView) =>
      refused.some((value) => value.revision === revision)
    return this.views()
      .filter((view) => view.applied < wanted || refuses(view))
      .map((view) => withRefusal(view, revision))
  }

  /**
   * Whether one of these may soon be another: not those that have been away for long, or refuse the
   * change.
   */
  isWorthWaiting(pending: GatewayView[]): boolean {
    return pending.some((view) => !isLongAway(view) && view.code !== 'invalid')
  }

  /** In flight at all gateways together, in the order of `ids`. */
  async active(upstream: string, ids: string[]): Promise<Count[]> {
    const counts = await this.activeByGateway(upstream, ids)
    return counts.map((each) => sum(each.map(({ active }) => active)))
  }

  /** In flight at each gateway, in the order of `ids`. */
  async activeByGateway(upstream: string, ids: string[]): Promise<InFlight[][]> {
    const instances = this.#desired().upstreams.get(upstream)?.instances
    const sids = ids.map((id) => {
      const record = instances?.get(id)?.record
      return record === undefined ? '' : sidOfRecord(record)
    })
    const known = [...new Set(sids.filter((sid) => sid !== ''))]
    const counts = await this.#ownGateway.active(known)
    const bySid = new Map(known.map((sid, i) => [sid, counts[i]]))
    const others = [...this.#others.all()]
    return ids.map((id, i) => {
      // Another gateway counts only what drains, and nothing of what it has not applied yet.
      const since = instances?.get(id)?.revision ?? Infinity
      const theirs = others.map(([gateway, { record }]) => ({
        gateway,
        active: record.applied >= since ? record.active[`${upstream}/${id}`] : undefined,
      }))
      return [{ gateway: this.#id, active: bySid.get(sids[i] ?? '') }, ...theirs]
    })
  }

  /** Whether a gateway is known, and its controller lives. */
  presenceOf(id: string): 'unknown' | 'present' | 'away' {
    const other = this.#others.all().get(id)
    if (other === undefined) {
      return id === this.#id ? 'present' : 'unknown'
    }
    return other.awaySinceAtMs === undefined ? 'present' : 'away'
  }

  /** What is published of the own gateway. What drains is counted only while others may ask. */
  async record(): Promise<GatewayRecord> {
    const applied = this.#ownGateway.applied()
    const active = this.isWatched ? await this.#draining() : {}
    const { reason, code, ...view } = this.#ownGateway.view()
    const conditions = this.#conditions()
    const refused = this.#refused()
      .slice(0, MOST_REFUSED)
      .map(({ key, message, revision: at }) => ({ key, message, revision: at }))
    const values = refused.length === 0 ? {} : { refused }
    const fetched = this.#fetchedOf(view)
    const fault = faultOf({ reason, code })
    return { applied, ...view, ...fetched, active, conditions, ...values, ...fault }
  }

  /** True while somebody else may wait for the numbers of what is draining here. */
  get isWatched(): boolean {
    return [...this.#others.all().values()].some((each) => each.awaySinceAtMs === undefined)
  }

  /** Not of one that does not run: the gateway has another nginx, or was not renewed yet. */
  #fetchedOf({ nginx, njs }: Pick<LinkView, 'nginx' | 'njs'>): { nginxFetchedAtMs?: number } {
    const fetched = this.#fetched()
    return fetched?.version === nginx && fetched.njs === njs
      ? { nginxFetchedAtMs: fetched.fetchedAtMs }
      : {}
  }

  /** Warming up is left out: it is soon over, and each step would be a write to the registry. */
  #conditions(): Record<string, GatewayCondition> {
    const all: Array<[string, GatewayCondition]> = []
    for (const [upstream, conditions] of this.#ownGateway.health.conditions()) {
      for (const [id, { state, reason = '', share }] of conditions) {
        if (share === undefined && all.length < MOST_CONDITIONS) {
          all.push([`${upstream}/${id}`, { state, reason }])
        }
      }
    }
    return Object.fromEntries(all)
  }

  async #draining(): Promise<Record<string, number>> {
    const keys: string[] = []
    const sids: string[] = []
    for (const upstream of this.#desired().upstreams.values()) {
      for (const instance of upstream.instances.values()) {
        if (instanceState(instance).state === 'draining') {
          keys.push(`${upstream.name}/${instance.id}`)
          sids.push(sidOfRecord(instance.record))
        }
      }
    }
    const counts = await this.#ownGateway.active(sids)
    const counted = keys.flatMap((key, i): Array<[string, number]> => {
      const count = counts[i]
      return count === undefined ? [] : [[key, count]]
    })
    return Object.fromEntries(counted)
  }
}

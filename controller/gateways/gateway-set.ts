/** All gateways of the cluster: this controller's own, and what the others publish of theirs. */
import type { Code } from '../../contract/codes.js'
import type { GatewayCondition, GatewayRecord } from '../../contract/record/records.js'
import { sidOfRecord } from '../state/sid.js'
import type { InstanceConditions } from '../state/conditions.js'
import type { GatewayView } from '../views.js'
import type { StreamView } from '../views.js'
import { instanceState } from '../state/desired.js'
import type { Desired } from '../state/desired.js'
import type { OtherGateways } from './other-gateways.js'
import type { LinkView } from '../push/link.js'

/** This controller's own gateway, of either mode. */
export interface OwnGateway {
  view(): LinkView
  stream(): StreamView
  applied(): number
  lagMs(): number
  /** In flight by SID; undefined where nobody can tell. */
  active(sids: string[]): Promise<Array<number | undefined>>
  conditions(): Iterable<[upstream: string, InstanceConditions]>
}

type Count = number | undefined

/** More than a person reads, and little enough to be written again and again. */
const MOST_CONDITIONS = 1000

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

export class GatewaySet {
  readonly #id: string
  readonly #own: OwnGateway
  readonly #foreign: OtherGateways
  readonly #desired: () => Desired

  constructor(id: string, own: OwnGateway, foreign: OtherGateways, desired: () => Desired) {
    this.#id = id
    this.#own = own
    this.#foreign = foreign
    this.#desired = desired
  }

  views(): GatewayView[] {
    const desired = this.#desired().revision
    const foreign = [...this.#foreign.all()].map(([id, record]): GatewayView => {
      const { applied, connected, workers, nginx, njs, conditions } = record
      const view = { id, applied, desired, lagMs: 0, connected, workers, nginx, njs, conditions }
      return { ...view, ...faultOf(record) }
    })
    const { reason, code, ...view } = this.#own.view()
    const own: GatewayView = {
      id: this.#id,
      applied: this.#own.applied(),
      desired,
      lagMs: Math.round(this.#own.lagMs()),
      ...view,
      stream: this.#own.stream(),
      conditions: this.#conditions(),
      ...faultOf({ reason, code }),
    }
    return [own, ...foreign]
  }

  /** Ids of connected gateways that have not applied `revision`, of which is known what the store has up to `known`. */
  pending(revision: number, known: number): string[] {
    // A write that concerns no table moves the store's revision, but not the desired one.
    const wanted = known >= revision ? Math.min(revision, this.#desired().revision) : revision
    return this.views()
      .filter(({ connected, applied }) => connected && applied < wanted)
      .map(({ id }) => id)
  }

  /** In flight on all connected gateways, in the order of `ids`. */
  async active(upstream: string, ids: string[]): Promise<Count[]> {
    const instances = this.#desired().upstreams.get(upstream)?.instances
    const sids = ids.map((id) => {
      const record = instances?.get(id)?.record
      return record === undefined ? '' : sidOfRecord(record)
    })
    const known = [...new Set(sids.filter((sid) => sid !== ''))]
    const counts = await this.#own.active(known)
    const bySid = new Map(known.map((sid, i) => [sid, counts[i]]))
    const others = [...this.#foreign.all().values()].filter((record) => record.connected)
    return ids.map((id, i) => {
      // Another gateway counts only what drains, and nothing of what it has not applied yet.
      const since = instances?.get(id)?.revision ?? Infinity
      const theirs = others.map((record) =>
        record.applied >= since ? record.active[`${upstream}/${id}`] : undefined,
      )
      return sum([bySid.get(sids[i] ?? ''), ...theirs])
    })
  }

  /** What others are told of the own gateway. What is draining is only counted while there are others. */
  async record(): Promise<GatewayRecord> {
    const applied = this.#own.applied()
    const active = this.#foreign.all().size > 0 ? await this.#draining() : {}
    const { reason, code, ...view } = this.#own.view()
    const conditions = this.#conditions()
    return { applied, ...view, active, conditions, ...faultOf({ reason, code }) }
  }

  /** True while somebody else may wait for the numbers of what is draining here. */
  get isWatched(): boolean {
    return this.#foreign.all().size > 0
  }

  /** Warming up is left out: it is over soon, and each of its steps would be a write to the registry. */
  #conditions(): Record<string, GatewayCondition> {
    const all: Array<[string, GatewayCondition]> = []
    for (const [upstream, conditions] of this.#own.conditions()) {
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
    const counts = await this.#own.active(sids)
    const told = keys.flatMap((key, i): Array<[string, number]> => {
      const count = counts[i]
      return count === undefined ? [] : [[key, count]]
    })
    return Object.fromEntries(told)
  }
}

/**
 * One upstream as this gateway sees it: checks, ejections and warming up, joined to conditions.
 * Pure but for the verdicts.
 */
import { DEFAULT_EJECT, findsOutliers } from '../../contract/record/policy.js'
import type { InstanceState } from '../../contract/record/instance-record.js'
import type { EjectPolicy } from '../../contract/record/policy.js'
import { sidOfRecord } from '../state/sid.js'
import type { Condition, InstanceConditions } from '../state/conditions.js'
import { instanceState } from '../state/desired.js'
import type { DesiredInstance, DesiredUpstream } from '../state/desired.js'
import type { CheckTarget } from './checks/check-target.js'
import type { Conclusion } from './checks/verdict.js'
import { Ejector } from './ejector.js'
import type { Ejection, AddressState } from './ejector.js'
import { Outliers } from './outliers.js'
import type { AnswerCounts } from './outliers.js'
import { Warming } from './warming.js'

export interface UpstreamHealthOptions {
  /** By `<upstream>/<id>`; undefined while nothing is known. */
  verdict(key: string): Conclusion | undefined
  /** Whether new instances may warm up at all. */
  warms: boolean
}

export const NO_CONDITIONS: InstanceConditions = new Map()

export class UpstreamHealth {
  readonly #options: UpstreamHealthOptions
  readonly #ejector = new Ejector(DEFAULT_EJECT)
  readonly #outliers = new Outliers()
  readonly #warming = new Warming()
  #upstream: DesiredUpstream | undefined
  #eject: EjectPolicy = DEFAULT_EJECT
  /** SIDs by instance id. */
  #sids = new Map<string, string>()
  #statuses = new Map<string, InstanceState>()
  #conditions: InstanceConditions = NO_CONDITIONS
  #nextAtMs: number | undefined
  #ejected = 0

  constructor(options: UpstreamHealthOptions) {
    this.#options = options
  }

  get desired(): DesiredUpstream | undefined {
    return this.#upstream
  }

  get conditions(): InstanceConditions {
    return this.#conditions
  }

  /** When `look` must be called again even if nothing happens. */
  get nextAtMs(): number | undefined {
    return this.#nextAtMs
  }

  get ejections(): number {
    return this.#ejector.ejections
  }

  /** Whether failures count here. */
  get hears(): boolean {
    return this.#eject.maxFails > 0 || !this.#ejector.isEmpty
  }

  get isMeasured(): boolean {
    return findsOutliers(this.#eject)
  }

  /** All addresses. */
  get sids(): ReadonlySet<string> {
    return new Set(this.#sids.values())
  }

  /** How many instances are ejected, those whose ejection is ignored left out. */
  get ejected(): number {
    return this.#ejected
  }

  /** SIDs whose answers are worth looking at. */
  serving(): string[] {
    return [...this.#statuses].flatMap(([sid, status]) => (status === 'up' ? [sid] : []))
  }

  /** Takes another state of the upstream; `isFirst`: all that is in it served before. */
  follow(upstream: DesiredUpstream, isFirst: boolean, nowMs: number): void {
    const sids = new Map<string, string>()
    for (const { id, record } of upstream.instances.values()) {
      sids.set(id, sidOfRecord(record))
    }
    this.#sids = sids
    this.#upstream = upstream
    this.#eject = upstream.policy.eject ?? DEFAULT_EJECT
    this.#warming.follow(this.#options.warms ? (upstream.policy.slowStartMs ?? 0) : 0)
    if (isFirst) {
      sids.forEach((sid) => this.#statuses.set(sid, 'up'))
    }
    this.look(nowMs)
  }

  failed(sid: string, nowMs: number): void {
    this.#ejector.failed(sid, nowMs)
  }

  taken(sid: string): void {
    this.#ejector.taken(sid)
  }

  passed(sid: string): void {
    this.#ejector.passed(sid)
  }

  /** Counters of answers by SID. */
  measured(counters: ReadonlyMap<string, AnswerCounts>, nowMs: number): void {
    const serving = this.serving().flatMap((sid): Array<[string, AnswerCounts]> => {
      const counted = counters.get(sid)
      return counted === undefined ? [] : [[sid, counted]]
    })
    const found = this.#outliers.look(this.#eject, new Map(serving), nowMs)
    found.forEach((why, sid) => this.#ejector.outlier(sid, why, nowMs))
  }

  /** Joins all that is known into the conditions. */
  look(nowMs: number): void {
    const levels = this.#levels()
    this.#ejector.follow(this.#eject, new Map([...levels].map(([sid, { level }]) => [sid, level])))
    const ejections = this.#ejector.look(nowMs)
    const statuses = new Map<string, InstanceState>()
    levels.forEach(({ level, off }, sid) => {
      const isOut = level === 'unwell' || ejections.get(sid)?.ignored === false
      statuses.set(sid, level === 'off' ? off : isOut ? 'down' : 'up')
    })
    this.#warm(statuses, ejections, nowMs)
    this.#statuses = statuses
    const shares = this.#warming.look(this.serving(), nowMs)
    const nexts = [this.#ejector.nextAtMs(), this.#warming.nextAtMs(nowMs)]
    const next = Math.min(...nexts.map((atMs) => atMs ?? Infinity))
    this.#nextAtMs = next === Infinity ? undefined : next
    this.#conditions = this.#join(ejections, shares)
  }

  #instances(): Iterable<DesiredInstance> {
    return this.#upstream?.instances.values() ?? []
  }

  #verdict(id: string): Conclusion | undefined {
    return this.#upstream?.policy.check === undefined
      ? undefined
      : this.#options.verdict(`${this.#upstream.name}/${id}`)
  }

  /**
   * The level of each address. What is found out about one of several instances there is true of
   * the process.
   */
  #levels(): Map<string, { level: AddressState; off: InstanceState }> {
    const levels = new Map<string, { level: AddressState; off: InstanceState }>()
    for (const instance of this.#instances()) {
      const sid = this.#sids.get(instance.id) ?? ''
      const { state } = instanceState(instance)
      const isDown = this.#verdict(instance.id)?.state === 'down'
      const own: AddressState = state !== 'up' ? 'off' : isDown ? 'unwell' : 'serves'
      const { level, off } = levels.get(sid) ?? { level: 'off', off: 'down' }
      levels.set(sid, {
        level: own === 'unwell' || level === 'off' ? own : level,
        off: state === 'draining' ? state : off,
      })
    }
    return levels
  }

  /** New is what was not there or was down, but not what drained: that has all it needs. */
  #warm(
    statuses: Map<string, InstanceState>,
    ejections: Map<string, Ejection>,
    nowMs: number,
  ): void {
    for (const [sid, status] of statuses) {
      const was = this.#statuses.get(sid) ?? 'down'
      if (status !== 'up') {
        this.#warming.forget(sid)
      } else if (was === 'down' && ejections.get(sid) === undefined) {
        this.#warming.begin(sid, nowMs)
      }
    }
    for (const sid of this.#statuses.keys()) {
      if (!statuses.has(sid)) {
        this.#warming.forget(sid)
      }
    }
  }

  #join(ejections: Map<string, Ejection>, shares: Map<string, number>): InstanceConditions {
    const joined = new Map<string, Condition>()
    for (const instance of this.#instances()) {
      const sid = this.#sids.get(instance.id) ?? ''
      const condition =
        instanceState(instance).state === 'up'
          ? conditionOf(this.#verdict(instance.id), ejections.get(sid), shares.get(sid))
          : undefined
      if (condition !== undefined) {
        const before = this.#conditions.get(instance.id)
        joined.set(instance.id, isSame(before, condition) ? before : condition)
      }
    }
    this.#ejected = [...joined.keys()].filter(
      (id) => ejections.get(this.#sids.get(id) ?? '')?.ignored === false,
    ).length
    const isSameMap =
      joined.size === this.#conditions.size &&
      [...joined].every(([id, condition]) => this.#conditions.get(id) === condition)
    return isSameMap ? this.#conditions : joined.size === 0 ? NO_CONDITIONS : joined
  }
}

/** Whom the upstream's policy has checked; undefined when it has no checks. */
export function targetsOf(
  { name, policy, tls, instances }: DesiredUpstream,
  before: Conclusion | undefined,
): CheckTarget[] | undefined {
  const { check } = policy
  return check === undefined
    ? undefined
    : [...instances.values()]
        .filter(({ record }) => record.state !== 'down')
        .map(({ id, record }) => ({
          key: `${name}/${id}`,
          host: record.host,
          port: record.port,
          policy: check,
          tls,
          ...(before !== undefined && { before }),
        }))
}

function conditionOf(
  verdict: Conclusion | undefined,
  ejection: Ejection | undefined,
  share: number | undefined,
): Condition | undefined {
  if (verdict?.state === 'down') {
    return { state: 'down', reason: verdict.reason ?? 'its checks fail' }
  }
  if (ejection !== undefined && !ejection.ignored) {
    const { reason, trial } = ejection
    return { state: 'down', reason, ejected: true, ...(trial !== undefined && { trial }) }
  }
  if (share !== undefined) {
    return { state: 'up', reason: `warming ${Math.round(share * 100)} %`, share }
  }
  return ejection === undefined ? undefined : { state: 'up', reason: ejection.reason }
}

function isSame(a: Condition | undefined, b: Condition): a is Condition {
  return (
    a !== undefined &&
    a.state === b.state &&
    a.reason === b.reason &&
    a.trial === b.trial &&
    a.share === b.share
  )
}

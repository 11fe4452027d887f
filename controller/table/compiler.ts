/**
 * Keeps the compiled table beside the desired state, and compiles again only what a change
 * concerns.
 */
import type { Logger } from '../../runtime/logger.js'
import { planCertificates } from './certificate-plan.js'
import { ANYWHERE, compileNobody } from './compiled-upstream.js'
import { compileAction, passthroughUnit, compileCertificate } from './record-units.js'
import { HostSlots } from './host-slots.js'
import { isSameUnit } from './unit.js'
import type { CompiledUpstream, GatewayTraits } from './compiled-upstream.js'
import type { Unit } from './unit.js'
import type { Desired, DesiredCertificate } from '../state/desired.js'
import { compileHost } from './host-unit.js'
import { isSameHost } from './host-plan.js'
import { HostPlanner } from './host-planner.js'
import type { HostsPlan } from './host-plan.js'
import { NO_OTHERS, NginxPools, poolMembers } from './nginx-pools.js'
import type { PoolMembers } from './nginx-pools.js'
import { passthroughNames } from './passthrough-names.js'
import { compileSplit } from './split-unit.js'
import { unitOf } from './subset.js'
import type { UpstreamSubset } from './subset.js'
import { UpstreamCache } from './upstream-cache.js'
import type { Changes, ConditionsOf } from './upstream-cache.js'

const NOTHING_KNOWN: ConditionsOf = () => undefined

export class Compiler {
  readonly #planner: HostPlanner
  readonly #log: Logger
  readonly #units = new Map<string, Unit>()
  readonly #hostSlots = new HostSlots(this.#units)
  readonly #upstreams: UpstreamCache
  readonly #subsets: UpstreamCache
  #plan: HostsPlan = {
    hosts: new Map(),
    splits: new Map(),
    subsets: new Map(),
    actions: new Map(),
    overruled: [],
  }
  #routes: Desired['routes'] | undefined
  #certificates: Desired['certificates'] | undefined
  #names: ReadonlyMap<string, DesiredCertificate> = new Map()
  #streamRoutes: Desired['streamRoutes'] | undefined
  #passthrough: ReadonlySet<string> = new Set()
  readonly #pools = new NginxPools()
  #shown: Desired['certificates'] = new Map()

  constructor(domains: readonly string[], log: Logger, traits: GatewayTraits = ANYWHERE) {
    this.#planner = new HostPlanner(domains)
    this.#upstreams = new UpstreamCache(traits)
    this.#subsets = new UpstreamCache(traits)
    this.#log = log
  }

  /** All units by name, as of the last update. */
  get units(): ReadonlyMap<string, Unit> {
    return this.#units
  }

  /** Where hosts lead, as of the last update. */
  get plan(): HostsPlan {
    return this.#plan
  }

  /** An upstream as of the last update. */
  compiled(upstream: string): CompiledUpstream | undefined {
    return this.#upstreams.compiled(`:${upstream}`)
  }

  /** Whether slots of hosts are to say who it is, from the next update on. */
  setNamed(isNamed: boolean): void {
    this.#hostSlots.setNamed(isNamed)
  }

  /** How many hosts were planned when routes or upstreams changed last. */
  get planned(): number {
    return this.#planner.planned
  }

  /** How many hosts of routes another route has. */
  get overruled(): number {
    return this.#plan.overruled.length
  }

  /** Who may be in nginx's pools, as of the last update. */
  members(): PoolMembers {
    return poolMembers(this.#upstreams.all(), this.#shown)
  }

  /** Compiles what changed. Returns the names of the units that are new, changed or gone. */
  update(
    desired: Desired,
    pooled: ReadonlySet<string>,
    conditionsOf: ConditionsOf = NOTHING_KNOWN,
    others = NO_OTHERS,
  ): Set<string> {
    const changed = new Set<string>()
    const flipped = this.#pools.take(pooled, others)
    const isNewShown = desired.certificates !== this.#shown
    this.#shown = desired.certificates
    const whole = new Map(
      [...desired.upstreams.keys()].map((upstream) => [`:${upstream}`, { upstream }]),
    )
    const { isNewSet } = this.#compile(this.#upstreams, desired, whole, conditionsOf, changed)
    const isNewPlan = isNewSet || desired.routes !== this.#routes
    const before = this.#plan
    if (isNewPlan) {
      this.#plan = this.#planner.update(desired.routes.values(), desired.upstreams.keys())
      this.#logOverruled(before)
    }
    this.#routes = desired.routes
    this.#compile(this.#subsets, desired, this.#plan.subsets, conditionsOf, changed)
    this.#flip(flipped, isNewShown, changed)
    if (changed.size > 0 || isNewPlan || this.#hostSlots.isNew) {
      this.#updateSplits(before, isNewPlan, changed)
      this.#updateActions(before, changed)
      this.#updateHosts(before, changed)
    }
    this.#updateCertificates(desired.certificates, changed)
    this.#updatePassed(desired.streamRoutes, changed)
    return changed
  }

  #compile(
    units: UpstreamCache,
    desired: Desired,
    wanted: ReadonlyMap<string, UpstreamSubset>,
    conditionsOf: ConditionsOf,
    changed: Set<string>,
  ): Changes {
    const changes = units.update(desired, wanted, conditionsOf)
    this.#write(units, changes.stale, changed)
    changes.gone.forEach((name) => this.#drop(name, changed))
    return changes
  }

  #write(units: UpstreamCache, names: string[], changed: Set<string>): void {
    for (const name of names) {
      const unit = units.unit(name, (upstream) => this.#pools.of(upstream, this.#shown))
      if (unit !== undefined) {
        this.#set(unit, changed)
      }
    }
  }

  /**
   * These SIDs came to a pool or left it; or other certificates are shown to peers, and connections
   * that are kept showed others.
   */
  #flip(sids: string[], isNewShown: boolean, changed: Set<string>): void {
    for (const units of [this.#upstreams, this.#subsets]) {
      this.#write(units, units.having(sids), changed)
      this.#write(units, isNewShown ? units.showing() : [], changed)
    }
  }

  #updateSplits(before: HostsPlan, isNewPlan: boolean, changed: Set<string>): void {
    for (const [name, split] of this.#plan.splits) {
      const same = before.splits.get(name) === split
      if (same && !split.split.some((arm) => changed.has(unitOf(arm)))) {
        continue
      }
      const arms = split.split.map((arm) => ({
        ...arm,
        compiled: this.#compiledOf(arm),
      }))
      this.#set(compileSplit(name, arms, split), changed)
    }
    for (const name of isNewPlan ? before.splits.keys() : []) {
      if (!this.#plan.splits.has(name)) {
        this.#drop(name, changed)
      }
    }
  }

  #compiledOf(arm: UpstreamSubset): CompiledUpstream {
    const units = arm.where === undefined ? this.#upstreams : this.#subsets
    return units.compiled(unitOf(arm)) ?? compileNobody(arm)
  }

  #updateActions(before: HostsPlan, changed: Set<string>): void {
    if (before === this.#plan) {
      return
    }
    for (const [name, record] of this.#plan.actions) {
      this.#set(compileAction(name, record), changed)
    }
    for (const name of before.actions.keys()) {
      if (!this.#plan.actions.has(name)) {
        this.#drop(name, changed)
      }
    }
  }

  #updateHosts(before: HostsPlan, changed: Set<string>): void {
    for (const [host, plan] of this.#plan.hosts) {
      const isStale = this.#hostSlots.isStale(plan.fast, changed)
      if (isStale || !isSameHost(before.hosts.get(host), plan)) {
        this.#set(compileHost(host, plan.routes, this.#hostSlots.of(plan.fast)), changed)
      }
    }
    this.#hostSlots.settle()
    for (const host of before === this.#plan ? [] : before.hosts.keys()) {
      if (!this.#plan.hosts.has(host)) {
        this.#drop(`@${host}`, changed)
      }
    }
  }

  #updateCertificates(certificates: Desired['certificates'], changed: Set<string>): void {
    if (certificates === this.#certificates) {
      return
    }
    const before = this.#names
    this.#certificates = certificates
    this.#names = planCertificates(certificates.values())
    for (const [name, certificate] of this.#names) {
      if (before.get(name)?.record !== certificate.record) {
        this.#set(compileCertificate(name, certificate), changed)
      }
    }
    for (const name of before.keys()) {
      if (!this.#names.has(name)) {
        this.#drop(`^${name}`, changed)
      }
    }
  }

  #updatePassed(streamRoutes: Desired['streamRoutes'], changed: Set<string>): void {
    if (streamRoutes === this.#streamRoutes) {
      return
    }
    const before = this.#passthrough
    this.#streamRoutes = streamRoutes
    this.#passthrough = passthroughNames(streamRoutes.values())
    this.#passthrough.forEach((name) => this.#set(passthroughUnit(name), changed))
    const gone = [...before].filter((name) => !this.#passthrough.has(name))
    gone.forEach((name) => this.#drop(passthroughUnit(name).name, changed))
  }

  #set(unit: Unit, changed: Set<string>): void {
    if (!isSameUnit(this.#units.get(unit.name), unit)) {
      this.#units.set(unit.name, unit)
      changed.add(unit.name)
    }
  }

  #drop(name: string, changed: Set<string>): void {
    if (this.#units.delete(name)) {
      changed.add(name)
    }
  }

  #logOverruled(before: HostsPlan): void {
    const known = new Set(before.overruled.map((one) => JSON.stringify(one)))
    for (const one of this.#plan.overruled) {
      if (!known.has(JSON.stringify(one))) {
        this.#log.warn({ ...one }, 'a route is not served: another route has its host and path')
      }
    }
  }
}

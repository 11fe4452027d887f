/**
 * Keeps the compiled table beside the desired state, and compiles again only what a change
 * concerns.
 */
import type { Logger } from '../../runtime/logger.js'
import { planCertificates } from './certificate-plan.js'
import { ANYWHERE, compileNobody } from './compiled-upstream.js'
import { compileAction, passthroughUnit, compileCertificate } from './record-units.js'
import { isSameUnit, slotsOf, NO_LAYOUT } from './unit.js'
import type { CompiledUpstream, GatewayTraits } from './compiled-upstream.js'
import type { Unit } from './unit.js'
import type { KeptMember } from '../pool/kept-ways.js'
import type { Desired, DesiredCertificate, DesiredUpstream } from '../state/desired.js'
import { compileHost } from './host-unit.js'
import { isSameHost } from './host-plan.js'
import { HostPlanner } from './host-planner.js'
import type { HostsPlan } from './host-plan.js'
import { wayOf } from './kept-slots.js'
import { passthroughNames } from './passthrough-names.js'
import type { Peer } from './peers.js'
import { compileSplit } from './split-unit.js'
import { unitOf } from './subset.js'
import type { UpstreamSubset } from './subset.js'
import { UpstreamCache } from './upstream-cache.js'
import type { Changes, ConditionsOf } from './upstream-cache.js'

const NOTHING_KNOWN: ConditionsOf = () => undefined

/** SIDs that nginx's kept pool surely has, and in which way (controller/pool/kept-ways.ts). */
type Kept = ReadonlyMap<string, string>
const NOBODY: ReadonlySet<string> = new Set()

/** What nginx's further pools surely have. */
export interface OtherPools {
  kept: Kept
  grpc: ReadonlySet<string>
}

const NO_OTHERS: OtherPools = { kept: new Map(), grpc: NOBODY }

export class Compiler {
  readonly #planner: HostPlanner
  readonly #log: Logger
  readonly #units = new Map<string, Unit>()
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
  #pooled: ReadonlySet<string> = new Set()
  #kept: Kept = NO_OTHERS.kept
  #grpc: ReadonlySet<string> = NOBODY
  #keptBy: ReadonlyMap<string, ReadonlySet<string>> = new Map()

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

  /** How many hosts were planned when routes or upstreams changed last. */
  get planned(): number {
    return this.#planner.planned
  }

  /** How many hosts of routes another route has. */
  get overruled(): number {
    return this.#plan.overruled.length
  }

  /**
   * Peers that may be in nginx's pool: those that serve, and those that finish what they have. The
   * pool speaks neither TLS nor gRPC.
   */
  *members(): Iterable<Peer> {
    for (const { compiled, upstream } of this.#upstreams.all()) {
      const isPlain = upstream.tls === undefined && upstream.protocol === undefined
      yield* isPlain ? compiled.peers.filter(({ down }) => !down) : []
    }
  }

  /** The same of the pool for gRPC. */
  grpcMembers(): Peer[] {
    const units = [...this.#upstreams.all()].filter(({ upstream }) => isPlainGrpc(upstream))
    return units.flatMap(({ compiled }) => compiled.peers.filter(({ down }) => !down))
  }

  /** The same of the kept pool. */
  keptMembers(): KeptMember[] {
    return [...this.#upstreams.all()].flatMap(({ compiled, upstream }) => {
      const way = wayOf(upstream)
      const serving = way === undefined ? [] : compiled.peers.filter(({ down }) => !down)
      return serving.map(({ sid, host, port }) => ({ sid, host, port, way: way ?? '' }))
    })
  }

  /** Compiles what changed. Returns the names of the units that are new, changed or gone. */
  update(
    desired: Desired,
    pooled: ReadonlySet<string>,
    conditionsOf: ConditionsOf = NOTHING_KNOWN,
    { kept, grpc }: OtherPools = NO_OTHERS,
  ): Set<string> {
    const changed = new Set<string>()
    const flipped = [
      ...symmetricDifference(this.#pooled, pooled),
      ...symmetricDifference(new Set(this.#kept.keys()), new Set(kept.keys())),
      ...symmetricDifference(this.#grpc, grpc),
    ]
    this.#pooled = pooled
    if (kept !== this.#kept) {
      this.#keptBy = sidsByWay(kept)
    }
    this.#kept = kept
    this.#grpc = grpc
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
    this.#flip(flipped, changed)
    if (changed.size > 0 || isNewPlan) {
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
      const unit = units.unit(name, (upstream) => this.#pooledOf(upstream))
      if (unit !== undefined) {
        this.#set(unit, changed)
      }
    }
  }

  #pooledOf(upstream: DesiredUpstream): ReadonlySet<string> {
    if (upstream.tls === undefined && upstream.protocol === undefined) {
      return this.#pooled
    }
    if (isPlainGrpc(upstream)) {
      return this.#grpc
    }
    return this.#keptBy.get(wayOf(upstream) ?? '') ?? NOBODY
  }

  /** These SIDs came to a pool or left it. */
  #flip(sids: string[], changed: Set<string>): void {
    for (const units of [this.#upstreams, this.#subsets]) {
      this.#write(units, units.having(sids), changed)
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
      const isStale = plan.fast !== undefined && changed.has(plan.fast)
      if (isStale || !isSameHost(before.hosts.get(host), plan)) {
        const target = plan.fast === undefined ? undefined : this.#units.get(plan.fast)
        const slots = target === undefined ? NO_LAYOUT : slotsOf(target)
        this.#set(compileHost(host, plan.routes, slots), changed)
      }
    }
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

function isPlainGrpc({ tls, protocol }: DesiredUpstream): boolean {
  return protocol === 'grpc' && tls === undefined
}

function sidsByWay(kept: Kept): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const [sid, way] of kept) {
    found.set(way, (found.get(way) ?? new Set()).add(sid))
  }
  return found
}

function symmetricDifference(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return a === b
    ? []
    : [...[...a].filter((item) => !b.has(item)), ...[...b].filter((item) => !a.has(item))]
}

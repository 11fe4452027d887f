/**
 * What nginx can be left to choose by itself: an upstream whose policy nginx has words for is a
 * *lane*, an `upstream{}` of nginx's own, and each host and first part of a path that leads there
 * is a *gate* to it. Both are named by what they mean, so whatever generation of the configuration
 * nginx has loaded, a gate of this name means this and nothing else. Pure.
 */
import { createHash } from 'node:crypto'
import { DEFAULT_EJECT, DEFAULT_RETRY, findsOutliers } from '../../contract/record/policy.js'
import type { Policy } from '../../contract/record/policy.js'
import type { DesiredUpstream } from '../state/desired.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import { isChosen } from '../../contract/record/route-split.js'
import type { Split } from '../../contract/record/route-split.js'
import type { HostPlan, HostRoute, HostsPlan } from '../table/host-plan.js'
import { MOST_HASHED } from '../fallback/words.js'
import { whyNotAction } from './act-conf.js'
import { firstOf, keyOf } from './gate-keys.js'

export interface Lane {
  /** 12 hex digits. */
  id: string
  upstream: string
  isLeastConn: boolean
  maxFails: number
  /** Whole seconds. */
  failTimeoutMs: number
}

export interface Gate {
  /** 16 hex digits. */
  id: string
  host: string
  /** `/api` or `/api/v2` for paths that begin so, `/` for all that begin with nothing else. */
  prefix: string
  /** Several where it leads to one or the other by a draw. */
  arms: readonly GateArm[]
  /** What its route does beside. */
  action?: ActionRecord
}

/** A lane, and how much of a gate's requests it gets, as a share of all weights. */
export interface GateArm {
  lane: Lane
  weight: number
}

/**
 * Where the paths of one host lead: a gate for each prefix of one or two segments, or undefined for
 * the table. What fits two of them takes the longer one.
 */
export interface GatedHost {
  host: string
  byPrefix: ReadonlyMap<string, Gate | undefined>
}

/** Whether one gate has all paths of the host. */
export function isWhole({ byPrefix }: GatedHost): boolean {
  return byPrefix.size === 1 && byPrefix.get('/') !== undefined
}

/** Which routes there are. */
type Routes = Pick<HostsPlan, 'hosts' | 'splits' | 'actions'>
type LaneFor = (upstream: string) => Lane | undefined

export interface LanePlan {
  /** By id. */
  lanes: ReadonlyMap<string, Lane>
  /** By id. */
  gates: ReadonlyMap<string, Gate>
  hosts: readonly GatedHost[]
  /** Of upstreams that a location names itself (`$sluice_upstream`). */
  named: readonly Gate[]
  /** Why an upstream has no lane, by its name. */
  refused: ReadonlyMap<string, string>
}

/** Another meaning of the same words gets another number, so that older gates are not opened. */
const MEANING = 1
function named(digits: number, meaning: unknown): string {
  const text = JSON.stringify([MEANING, meaning])
  return createHash('sha256').update(text).digest('hex').slice(0, digits)
}

/** Undefined where nginx means the same by its own words. */
function whyNotPolicy({
  balance,
  sticky,
  retry,
  eject = DEFAULT_EJECT,
}: Policy): string | undefined {
  if (balance !== 'random' && balance !== 'roundRobin' && balance !== 'leastConn') {
    return `balance ${balance}`
  }
  if (sticky !== undefined) {
    return 'sticky'
  }
  if (retry !== undefined && JSON.stringify(retry) !== JSON.stringify(DEFAULT_RETRY)) {
    return 'retry other than the default'
  }
  if (findsOutliers(eject)) {
    return 'ejection by answers or their times'
  }
  return eject.failTimeoutMs % 1000 === 0 ? undefined : 'failTimeoutMs of part of a second'
}

/** The lane of an upstream, or why it has none. */
export function laneOf({ name, policy, tls, protocol }: DesiredUpstream): Lane | string {
  if (tls !== undefined || protocol !== undefined) {
    return 'TLS, HTTP/2 or gRPC'
  }
  const refused = whyNotPolicy(policy)
  if (refused !== undefined) {
    return refused
  }
  const { maxFails, failTimeoutMs } = policy.eject ?? DEFAULT_EJECT
  const isLeastConn = policy.balance === 'leastConn'
  const id = named(12, [name, isLeastConn, maxFails, failTimeoutMs])
  return { id, upstream: name, isLeastConn, maxFails, failTimeoutMs }
}

/** What nginx's shares have no digits for. */
const LEAST_SHARE = 1 / 10_000

/** Where a split leads that only draws; undefined where more decides, or an arm has no lane. */
function armsOf(rule: Split, laneFor: LaneFor): GateArm[] | undefined {
  const { split } = rule
  const sum = split.reduce((total, { weight }) => total + weight, 0)
  const arms = split.flatMap(({ upstream, where, weight }) => {
    const lane = where === undefined && weight / sum >= LEAST_SHARE ? laneFor(upstream) : undefined
    return lane === undefined ? [] : [{ lane, weight }]
  })
  return !isChosen(rule) && arms.length === split.length ? arms : undefined
}

/** Where a unit leads; undefined where nginx alone cannot say. */
function destinationOf(
  unit: string,
  routes: Routes,
  laneFor: LaneFor,
): Pick<Gate, 'arms' | 'action'> | undefined {
  const action = routes.actions.get(unit)
  if (action !== undefined) {
    const inner = whyNotAction(action) === undefined && !action.target.startsWith('&')
    const to = inner ? destinationOf(action.target, routes, laneFor) : undefined
    return to && { ...to, action }
  }
  const split = routes.splits.get(unit)
  const lane = unit.startsWith(':') ? laneFor(unit.slice(1)) : undefined
  const arms = split === undefined ? lane && [{ lane, weight: 1 }] : armsOf(split, laneFor)
  return arms && { arms }
}

type DestinationOf = (unit: string) => Pick<Gate, 'arms' | 'action'> | undefined

/** The gate that all requests may pass whose longest prefix this is. */
function gateOf(
  { host, routes }: HostPlan,
  { prefix, target }: HostRoute,
  destination: DestinationOf,
): Gate | undefined {
  const to = destination(target)
  const lines = routes.map((line) => [line.prefix, line.conditions, line.target])
  const arms = to?.arms.map(({ lane, weight }) => [lane.id, weight])
  return to && { id: named(16, [host, lines, prefix, arms, to.action]), host, prefix, ...to }
}

/** The gates of a host; undefined where nothing of it can have one. */
function gatedHost(plan: HostPlan, destination: DestinationOf): GatedHost | undefined {
  const byKey = new Map<string, HostRoute[]>()
  for (const route of plan.routes) {
    const key = keyOf(plan.host, route.prefix)
    byKey.set(key, [...(byKey.get(key) ?? []), route])
  }
  const byPrefix = new Map<string, Gate | undefined>()
  for (const [key, [only, ...more]] of byKey) {
    const isWhole = more.length === 0 && only?.prefix === key && only.conditions === ''
    byPrefix.set(key, isWhole ? gateOf(plan, only, destination) : undefined)
  }
  const gates = [...byPrefix.values()]
  return gates.some((gate) => gate !== undefined) ? { host: plan.host, byPrefix } : undefined
}

/** The gate of a location that names its upstream: no route has a say there. */
function namedGate(lane: Lane): Gate {
  const prefix = `:${lane.upstream}`
  return { id: named(16, [prefix, lane.id]), host: '', prefix, arms: [{ lane, weight: 1 }] }
}

/**
 * Wildcards are left out: a name that comes below one would have to close its gates. So is a name
 * that is too long for nginx's hashes.
 */
function mayHaveGates({ host, routes }: HostPlan): boolean {
  const longest = routes.reduce((most, { prefix }) => Math.max(most, firstOf(prefix).length), 0)
  return !host.includes('*') && host.length + longest <= MOST_HASHED
}

/**
 * `found`: what {@link laneOf} says of each upstream. `most`: lanes; beyond that, upstreams later
 * in the alphabet have none.
 */
export function planLanes(
  routes: Routes,
  found: ReadonlyMap<string, Lane | string>,
  most: number,
): LanePlan {
  const refused = new Map<string, string>()
  const byUpstream = new Map<string, Lane>()
  for (const [name, lane] of [...found].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (typeof lane === 'string') {
      refused.set(name, lane)
    } else if (byUpstream.size >= most) {
      refused.set(name, `there are ${most} lanes already (SLUICE_LANES)`)
    } else {
      byUpstream.set(name, lane)
    }
  }
  const laneFor: LaneFor = (name) => byUpstream.get(name)
  const gated = [...routes.hosts.values()]
    .filter(mayHaveGates)
    .sort((a, b) => (a.host < b.host ? -1 : 1))
    .flatMap((plan) => gatedHost(plan, (unit) => destinationOf(unit, routes, laneFor)) ?? [])
  const ofHosts = gated.flatMap(({ byPrefix }) =>
    [...byPrefix.values()].flatMap((gate) => gate ?? []),
  )
  const ofUpstreams = [...byUpstream.values()]
    .filter(({ upstream }) => upstream.length <= MOST_HASHED)
    .map(namedGate)
  const all = [...ofHosts, ...ofUpstreams]
  return {
    lanes: new Map(all.flatMap(({ arms }) => arms.map(({ lane }) => [lane.id, lane]))),
    gates: new Map(all.map((gate) => [gate.id, gate])),
    hosts: gated,
    named: ofUpstreams,
    refused,
  }
}

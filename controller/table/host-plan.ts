/** The routes of a host → what it leads to. Pure. */
import { prefixHash } from '../../contract/table/host-record.js'
import { AGENT_ROUTES } from '../../contract/keys.js'
import { actionOf } from '../../contract/record/route-action.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import type { RouteRecord } from '../../contract/record/route.js'
import { printConditions } from '../../contract/record/route-match.js'
import type { Conditional } from '../../contract/record/route-match.js'
import type { Split } from '../../contract/record/route-split.js'
import { TUNED_CONDITION, TUNING_PREFIX } from '../../contract/record/tuning.js'
import type { DesiredRoute } from '../state/desired.js'
import { unitOf } from './subset.js'
import type { UpstreamSubset } from './subset.js'

/** What one route says of one host. */
export interface HostRoute {
  prefix: string
  /** As printConditions has them; '' for none. */
  conditions: string
  /** A unit: `:web`, `~canary`, `&docs`. */
  target: string
  /** Whose it is; '' for an upstream that answers at its own name. */
  route: string
}

export interface HostPlan {
  host: string
  /**
   * In the order in which they are asked: the longest prefix first. Of one prefix those with most
   * conditions come first.
   */
  routes: HostRoute[]
  /** The one unit it leads to, when it is to have slots of its own; else undefined. */
  fast: string | undefined
}

/** A route that got nothing for one of its hosts. */
export interface Overruled {
  route: string
  host: string
  why: string
}

export interface HostsPlan {
  hosts: ReadonlyMap<string, HostPlan>
  /** Of routes that split, by unit name; the same object until the route changes. */
  splits: ReadonlyMap<string, Split>
  /** What arms of splits select by metadata, by unit name. */
  subsets: ReadonlyMap<string, UpstreamSubset>
  /** Routes that act, by unit name. */
  actions: ReadonlyMap<string, ActionRecord>
  overruled: Overruled[]
}

/** What is gathered of one host. */
interface Draft {
  host: string
  /** By what no two routes may both have. */
  routes: Map<string, HostRoute & { rank: number }>
  /**
   * Bytes of lines by the hash of their prefix. Lines of one hash may share a value of the table,
   * and are read in a row.
   */
  bytes: Map<number, number>
}

const MOST_BYTES = 8192

/** Who serves what a route does not answer itself; `-` for nobody. */
function servingUnit({ id, record }: DesiredRoute): string {
  const own = record.upstream === undefined ? '-' : `:${record.upstream}`
  return record.split === undefined ? own : `~${id}`
}

/** The unit that a route's line names. */
function targetOf(route: DesiredRoute): string {
  return actionOf(route.record) === undefined ? servingUnit(route) : `&${route.id}`
}

function isSplit(record: RouteRecord): record is RouteRecord & Split {
  return record.split !== undefined
}

/**
 * A condition on the method outweighs all others. Then the number of conditions counts, then how
 * many of them name an exact value.
 */
function rankOf({ methods, headers, cookies, arguments: args }: Conditional): number {
  const values = [headers, cookies, args].flatMap((each) => Object.values(each ?? {}))
  const exact = values.filter((value) => value !== true).length
  return (methods === undefined ? 0 : 10_000) + values.length * 100 + exact
}

function claim(draft: Draft, line: HostRoute, rank: number): Overruled | undefined {
  const { host } = draft
  const { prefix, conditions, target, route } = line
  const key = `${prefix}\t${conditions}`
  const first = draft.routes.get(key)
  if (first !== undefined) {
    const why = `route ${first.route} has ${prefix} there already`
    return first.target === target ? undefined : { route, host, why }
  }
  const hash = prefixHash(prefix)
  const bytes = (draft.bytes.get(hash) ?? 0) + key.length + target.length + 3
  if (bytes > MOST_BYTES) {
    return { route, host, why: `there are too many conditions at ${prefix}` }
  }
  draft.bytes.set(hash, bytes)
  draft.routes.set(key, { ...line, rank })
  return undefined
}

/** Of equals the one that was claimed first comes first. */
function toPlan({ host, routes: claimed }: Draft): HostPlan {
  const sorted = [...claimed.values()].sort(
    (a, b) =>
      b.prefix.length - a.prefix.length ||
      (a.prefix === b.prefix ? b.rank - a.rank : a.prefix < b.prefix ? -1 : 1),
  )
  const routes = sorted.map(({ prefix, conditions, target, route }) => {
    return { prefix, conditions, target, route }
  })
  return { host, routes, fast: undefined }
}

/**
 * Whether the host may have slots of its own. Not a wildcard: nginx builds the key from the host
 * that is asked for. Not a route that acts: it has no slots.
 */
export function isPlain({ host, routes }: HostPlan): boolean {
  const [only, ...more] = routes
  const isWhole = only?.prefix === '/' && only.conditions === '' && more.length === 0
  return isWhole && !only.target.startsWith('&') && !host.includes('*')
}

/**
 * An operator's routes come before those that containers ask for; otherwise the lower id comes
 * first.
 */
function compareRoutes(a: DesiredRoute, b: DesiredRoute): number {
  const [first, second] = [a, b].map(({ id }) => id.startsWith(AGENT_ROUTES))
  return first === second ? (a.id < b.id ? -1 : 1) : first ? 1 : -1
}

function splitsOf(routes: readonly DesiredRoute[]): HostsPlan['splits'] {
  return new Map(
    routes.flatMap(({ id, record }): Array<[string, Split]> => {
      return isSplit(record) ? [[`~${id}`, record]] : []
    }),
  )
}

function subsetsOf(splits: HostsPlan['splits']): HostsPlan['subsets'] {
  const arms = [...splits.values()].flatMap(({ split }) => split)
  return new Map(
    arms.flatMap((arm): Array<[string, UpstreamSubset]> => {
      return arm.where === undefined ? [] : [[unitOf(arm), arm]]
    }),
  )
}

function actionsOf(routes: readonly DesiredRoute[]): HostsPlan['actions'] {
  return new Map(
    routes.flatMap((route): Array<[string, ActionRecord]> => {
      const action = actionOf(route.record)
      const record = { target: servingUnit(route), prefix: route.record.pathPrefix }
      return action === undefined ? [] : [[`&${route.id}`, { ...record, action }]]
    }),
  )
}

/**
 * The lines of a route, for each of its hosts. A tuned route is served where its condition holds; a
 * second line, whose prefix fits no path, names its tuning.
 */
function linesOf(route: DesiredRoute): HostRoute[] {
  const { id, record, tuning } = route
  const line = { prefix: record.pathPrefix, target: targetOf(route), route: id }
  return tuning === undefined
    ? [{ ...line, conditions: printConditions(record) }]
    : [
        { ...line, conditions: TUNED_CONDITION },
        { prefix: TUNING_PREFIX + tuning, target: '-', route: id, conditions: '' },
      ]
}

/**
 * What one host leads to, by its `routes`, and by the upstream that answers there where no route
 * says otherwise. Of two routes with the same prefix and conditions, an operator's wins, and then
 * the one with the lower id.
 */
export function planHost(
  host: string,
  routes: readonly DesiredRoute[],
  upstream: string | undefined,
): { plan: HostPlan; overruled: Overruled[] } {
  const draft: Draft = { host, routes: new Map(), bytes: new Map() }
  const overruled: Overruled[] = []
  for (const route of [...routes].sort(compareRoutes)) {
    const rank = rankOf(route.record)
    for (const line of linesOf(route)) {
      const lost = claim(draft, line, rank)
      overruled.push(...(lost === undefined ? [] : [lost]))
    }
  }
  if (upstream !== undefined && !draft.routes.has('/\t')) {
    const target = `:${upstream}`
    draft.routes.set('/\t', { prefix: '/', conditions: '', target, route: '', rank: 0 })
  }
  return { plan: toPlan(draft), overruled }
}

/** Whether a route has a unit of its own, beside its hosts. */
export function hasUnit({ record }: DesiredRoute): boolean {
  return isSplit(record) || actionOf(record) !== undefined
}

/** The units of the routes that have some. */
export function unitsOfRoutes(
  routes: readonly DesiredRoute[],
): Pick<HostsPlan, 'splits' | 'subsets' | 'actions'> {
  const splits = splitsOf(routes)
  return { splits, subsets: subsetsOf(splits), actions: actionsOf(routes) }
}

export function isSameHost(a: HostPlan | undefined, b: HostPlan): boolean {
  return (
    a === b ||
    (a !== undefined &&
      a.fast === b.fast &&
      a.routes.length === b.routes.length &&
      a.routes.every(
        ({ prefix, conditions, target }, i) =>
          prefix === b.routes[i]?.prefix &&
          conditions === b.routes[i]?.conditions &&
          target === b.routes[i]?.target,
      ))
  )
}

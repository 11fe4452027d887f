/** Routes and upstream names → what each host leads to. Pure. */
import { AGENT_ROUTES } from '../contract/keys.js'
import type { RouteRecord, SplitArm } from '../contract/route.js'
import { actionOf } from '../contract/route-action.js'
import type { ActionRecord } from '../contract/route-action.js'
import { FAST_HOSTS, MAX_VALUE_BYTES } from '../contract/zones.js'
import { DIGEST_LENGTH } from '../contract/table.js'
import { isHostPattern } from '../contract/names.js'
import type { DesiredRoute } from './desired.js'

export interface HostPlan {
  host: string
  /** Longest prefix first. `target` is a unit: `:web`, `~canary`, `&docs`. */
  routes: Array<{ prefix: string; target: string }>
  /** The one unit it leads to, when it is to have slots of its own; else undefined. */
  fast: string | undefined
}

/** A route that got nothing for one of its hosts. */
export interface Overruled {
  route: string
  host: string
  why: string
}

export interface Plan {
  hosts: ReadonlyMap<string, HostPlan>
  /** Routes that split, by unit name. */
  splits: ReadonlyMap<string, SplitArm[]>
  /** Routes that act, by unit name. */
  actions: ReadonlyMap<string, ActionRecord>
  overruled: Overruled[]
}

interface Draft {
  targets: Map<string, { target: string; route: string }>
  bytes: number
}

/** The room that the default route of a host's own upstream needs is kept free. */
const MOST_BYTES = MAX_VALUE_BYTES - DIGEST_LENGTH - 128

/** Who serves what a route does not answer itself; `-` for nobody. */
function servingUnit({ id, record }: { id: string; record: RouteRecord }): string {
  return record.split !== undefined
    ? `~${id}`
    : record.upstream === undefined
      ? '-'
      : `:${record.upstream}`
}

function claim(
  drafts: Map<string, Draft>,
  host: string,
  route: DesiredRoute,
): Overruled | undefined {
  const acts = actionOf(route.record) !== undefined
  const target = acts ? `&${route.id}` : servingUnit(route)
  const prefix = route.record.pathPrefix
  const draft: Draft = drafts.get(host) ?? { targets: new Map(), bytes: 0 }
  const first = draft.targets.get(prefix)
  if (first?.target === target) {
    return undefined
  }
  if (first !== undefined) {
    return { route: route.id, host, why: `route ${first.route} has ${prefix} there already` }
  }
  const bytes = prefix.length + target.length + 2
  if (draft.bytes + bytes > MOST_BYTES) {
    return { route: route.id, host, why: 'the host has too many paths' }
  }
  draft.targets.set(prefix, { target, route: route.id })
  draft.bytes += bytes
  drafts.set(host, draft)
  return undefined
}

/** An upstream answers at its own name below the domain, where no route says otherwise. */
function addDefaults(
  drafts: Map<string, Draft>,
  upstreams: Iterable<string>,
  domain: string,
): void {
  for (const upstream of upstreams) {
    const host = `${upstream}.${domain}`
    const draft: Draft = drafts.get(host) ?? { targets: new Map(), bytes: 0 }
    if (isHostPattern(host) && !draft.targets.has('/')) {
      draft.targets.set('/', { target: `:${upstream}`, route: '' })
      drafts.set(host, draft)
    }
  }
}

function toPlan(host: string, draft: Draft): HostPlan {
  const routes = [...draft.targets].map(([prefix, { target }]) => ({ prefix, target }))
  routes.sort((a, b) => b.prefix.length - a.prefix.length || (a.prefix < b.prefix ? -1 : 1))
  return { host, routes, fast: undefined }
}

function isPlain(plan: HostPlan): boolean {
  const [first, ...more] = plan.routes
  const isWhole = more.length === 0 && first?.prefix === '/' && !plan.host.startsWith('*')
  return isWhole && !first.target.startsWith('&')
}

/** An operator's routes come before those that containers ask for; otherwise the lower id comes first. */
export function byPrecedence(a: DesiredRoute, b: DesiredRoute): number {
  const [first, second] = [a, b].map(({ id }) => id.startsWith(AGENT_ROUTES))
  return first === second ? (a.id < b.id ? -1 : 1) : first ? 1 : -1
}

function splitsOf(routes: DesiredRoute[]): Plan['splits'] {
  return new Map(
    routes.flatMap(({ id, record: { split } }): Array<[string, SplitArm[]]> => {
      return split === undefined ? [] : [[`~${id}`, split]]
    }),
  )
}

function actionsOf(routes: DesiredRoute[]): Plan['actions'] {
  return new Map(
    routes.flatMap((route): Array<[string, ActionRecord]> => {
      const action = actionOf(route.record)
      const record = { target: servingUnit(route), prefix: route.record.pathPrefix }
      return action === undefined ? [] : [[`&${route.id}`, { ...record, action }]]
    }),
  )
}

/** Of two routes with the same host and prefix, an operator's wins, and then the one with the lower id. */
export function planHosts(
  routes: Iterable<DesiredRoute>,
  upstreams: Iterable<string>,
  domain: string,
): Plan {
  const sorted = [...routes].sort(byPrecedence)
  const drafts = new Map<string, Draft>()
  const overruled = sorted.flatMap((route) =>
    route.record.hosts.flatMap((host) => claim(drafts, host, route) ?? []),
  )
  addDefaults(drafts, upstreams, domain)
  const hosts = new Map([...drafts].map(([host, draft]) => [host, toPlan(host, draft)]))
  const plain = [...hosts.values()].filter(isPlain).sort((a, b) => (a.host < b.host ? -1 : 1))
  plain.slice(0, FAST_HOSTS).forEach((plan) => {
    plan.fast = plan.routes[0]?.target
  })
  return { hosts, splits: splitsOf(sorted), actions: actionsOf(sorted), overruled }
}

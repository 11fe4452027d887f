/** Keeps the plan of all hosts. A change plans anew only those hosts that it concerns. */
import { isHostPattern } from '../../contract/guard/names.js'
import { FAST_HOSTS } from '../../contract/table/limits.js'
import type { DesiredRoute } from '../state/desired.js'
import { hasUnit, isPlain, planHost, unitsOfRoutes } from './host-plan.js'
import type { HostPlan, HostsPlan, Overruled } from './host-plan.js'

const NO_PLAN: HostsPlan = {
  hosts: new Map(),
  splits: new Map(),
  subsets: new Map(),
  actions: new Map(),
  overruled: [],
}

export class HostPlanner {
  readonly #domains: readonly string[]
  #routes: ReadonlyMap<string, DesiredRoute> = new Map()
  /** Ids of the routes of each host. */
  readonly #byHost = new Map<string, Set<string>>()
  /** `<upstream>.<domain>` → the upstream that answers there without a route. */
  #ownHosts: ReadonlyMap<string, string> = new Map()
  readonly #overruled = new Map<string, Overruled[]>()
  /** Hosts that may have slots of their own, sorted, and those of them that have some. */
  #plain: string[] = []
  #fast: ReadonlySet<string> = new Set()
  #plan = NO_PLAN
  #planned = 0

  constructor(domains: readonly string[]) {
    this.#domains = domains
  }

  /** How many hosts the last update planned. */
  get planned(): number {
    return this.#planned
  }

  /** A route or host that stayed the same object did not change. The plan before is not touched. */
  update(routes: Iterable<DesiredRoute>, upstreams: Iterable<string>): HostsPlan {
    const touched = new Set<string>()
    const isNewUnits = this.#takeRoutes(routes, touched)
    this.#takeUpstreams(upstreams, touched)
    const hosts = new Map(this.#plan.hosts)
    touched.forEach((host) => this.#planOne(host, hosts))
    this.#planned = touched.size
    this.#chooseFast(hosts, touched)
    const { splits, subsets, actions } = isNewUnits
      ? unitsOfRoutes([...this.#routes.values()].filter(hasUnit))
      : this.#plan
    const overruled = [...this.#overruled.values()].flat()
    this.#plan = { hosts, splits, subsets, actions, overruled }
    return this.#plan
  }

  /** True when units of routes may be others now. */
  #takeRoutes(routes: Iterable<DesiredRoute>, touched: Set<string>): boolean {
    const before = this.#routes
    const after = new Map([...routes].map((route) => [route.id, route]))
    let isNewUnits = false
    const changed = (route: DesiredRoute | undefined): string[] => {
      isNewUnits ||= route !== undefined && hasUnit(route)
      return route?.record.hosts ?? []
    }
    for (const id of new Set([...before.keys(), ...after.keys()])) {
      const [old, now] = [before.get(id), after.get(id)]
      if (old !== now) {
        changed(old).forEach((host) => this.#unlist(host, id, touched))
        changed(now).forEach((host) => this.#list(host, id, touched))
      }
    }
    this.#routes = after
    return isNewUnits
  }

  #list(host: string, id: string, touched: Set<string>): void {
    const ids = this.#byHost.get(host) ?? new Set()
    this.#byHost.set(host, ids.add(id))
    touched.add(host)
  }

  #unlist(host: string, id: string, touched: Set<string>): void {
    this.#byHost.get(host)?.delete(id)
    touched.add(host)
  }

  #takeUpstreams(upstreams: Iterable<string>, touched: Set<string>): void {
    const before = this.#ownHosts
    const ownHosts = new Map<string, string>()
    for (const upstream of upstreams) {
      for (const host of this.#domains.map((domain) => `${upstream}.${domain}`)) {
        if (isHostPattern(host)) {
          ownHosts.set(host, upstream)
        }
      }
    }
    for (const host of new Set([...before.keys(), ...ownHosts.keys()])) {
      if (before.get(host) !== ownHosts.get(host)) {
        touched.add(host)
      }
    }
    this.#ownHosts = ownHosts
  }

  #planOne(host: string, hosts: Map<string, HostPlan>): void {
    const ids = [...(this.#byHost.get(host) ?? [])]
    const routes = ids.flatMap((id) => this.#routes.get(id) ?? [])
    const { plan, overruled } = planHost(host, routes, this.#ownHosts.get(host))
    this.#overruled.delete(host)
    if (overruled.length > 0) {
      this.#overruled.set(host, overruled)
    }
    if (plan.routes.length > 0) {
      hosts.set(host, plan)
    } else {
      hosts.delete(host)
      this.#byHost.delete(host)
    }
  }

  /**
   * The first by name, of those that may: who has slots does not depend on the order of changes.
   */
  #chooseFast(hosts: Map<string, HostPlan>, touched: ReadonlySet<string>): void {
    const mayBe = [...touched].filter((host) => {
      const plan = hosts.get(host)
      return plan !== undefined && isPlain(plan)
    })
    const staying = this.#plain.filter((host) => !touched.has(host))
    this.#plain = [...staying, ...mayBe].sort()
    const fast = new Set(this.#plain.slice(0, FAST_HOSTS))
    for (const host of new Set([...this.#fast, ...fast])) {
      const plan = hosts.get(host)
      const target = fast.has(host) ? plan?.routes[0]?.target : undefined
      if (plan !== undefined && plan.fast !== target) {
        hosts.set(host, { ...plan, fast: target })
      }
    }
    this.#fast = fast
  }
}

/** The same, once. */
export function planHosts(
  routes: Iterable<DesiredRoute>,
  upstreams: Iterable<string>,
  domains: readonly string[],
): HostsPlan {
  return new HostPlanner(domains).update(routes, upstreams)
}

/** How upstreams and requests are served, by nginx alone or by the table, for people. */
import type { AskedRequest, LaneNow, LaneView } from '../views.js'
import { firstPairOf, firstSegmentOf } from './gate-maps.js'
import { isWhole } from './lane.js'
import type { Gate, GatedHost, Lane, LanePlan } from './lane.js'

/** Of the gates that there are. */
export interface LanesNow {
  /** All upstreams, by name. */
  found: ReadonlyMap<string, Lane | string>
  plan: LanePlan
  isOpen: (gate: string) => boolean
  whyShut: (lane: string) => LaneNow
}

const NO_GATE = 'no route leads to it that nginx can choose by itself'
const NO_GATE_HERE = 'nginx cannot choose this route by itself'

/** A location of its own, which no gate leaves (nginx/front-conf.ts). */
const CHALLENGES = '/.well-known/acme'

/** The gate that a request passes where it is open. `path` is as the client sends it. */
export function gateOf(hosts: readonly GatedHost[], host: string, path: string): Gate | undefined {
  const gated = path.startsWith(CHALLENGES) ? undefined : hosts.find((each) => each.host === host)
  const rest = gated?.byPrefix.get('/')
  if (gated === undefined || isWhole(gated)) {
    return rest
  }
  const first = firstSegmentOf(path)
  if (first === undefined) {
    return undefined
  }
  const prefixes = [firstPairOf(path) ?? '', first, '/']
  return gated.byPrefix.get(prefixes.find((prefix) => gated.byPrefix.has(prefix)) ?? '/')
}

export function showRequest(
  { plan, isOpen, whyShut }: LanesNow,
  { host, path, upstream }: AskedRequest,
): LaneNow {
  const gate = gateOf(plan.hosts, host, path)
  if (gate === undefined) {
    const refused = upstream === undefined ? undefined : plan.refused.get(upstream)
    return { state: 'none', reason: refused ?? NO_GATE_HERE }
  }
  if (isOpen(gate.id)) {
    return { state: 'open' }
  }
  const shut = gate.arms.map(({ lane }) => whyShut(lane.id))
  return shut.find(({ state }) => state === 'none') ?? shut[0] ?? { state: 'none' }
}

/** Of upstreams with gates: open where all of them are. */
function showGated({ plan, isOpen, whyShut }: LanesNow): Map<string, LaneNow> {
  const shown = new Map<string, LaneNow>()
  for (const { id, arms } of plan.gates.values()) {
    for (const { lane } of arms) {
      if ((shown.get(lane.upstream) ?? { state: 'open' }).state === 'open') {
        shown.set(lane.upstream, isOpen(id) ? { state: 'open' } : whyShut(lane.id))
      }
    }
  }
  return shown
}

/** Keeps since when it is so. */
export class LaneViews {
  readonly #views = new Map<string, LaneView>()
  #found: unknown
  #refused: unknown

  get all(): ReadonlyMap<string, LaneView> {
    return this.#views
  }

  /** How many upstreams are served how. */
  counts(): Record<LaneNow['state'], number> {
    const counts = { open: 0, closed: 0, none: 0 }
    for (const { state } of this.#views.values()) {
      counts[state] += 1
    }
    return counts
  }

  /** True when anything is something else now. */
  update(now: LanesNow): boolean {
    const shown = showGated(now)
    const { found, plan } = now
    let isNews = false
    // There may be many that never have a lane: they are gone through when there may be others.
    if (found !== this.#found || plan.refused !== this.#refused) {
      this.#found = found
      this.#refused = plan.refused
      for (const name of [...this.#views.keys()].filter((each) => !found.has(each))) {
        isNews = this.#views.delete(name)
      }
      for (const name of [...found.keys()].filter((each) => !shown.has(each))) {
        shown.set(name, { state: 'none', reason: plan.refused.get(name) ?? NO_GATE })
      }
    }
    for (const [upstream, { state, reason }] of shown) {
      const before = this.#views.get(upstream)
      if (before?.state !== state || before.reason !== reason) {
        const why = reason !== undefined && { reason }
        this.#views.set(upstream, { upstream, state, ...why, sinceAtMs: Date.now() })
        isNews = true
      }
    }
    return isNews
  }
}

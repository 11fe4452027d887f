/** How each upstream is served, by nginx alone or by the table, for people. */
import type { LaneNow, LaneView } from '../views.js'
import type { Gate } from './lane.js'

interface ShownBy {
  isOpen: (gate: string) => boolean
  whyShut: (lane: string) => LaneNow
}

/** `refused`: why upstreams have no lane, by their names. */
export function showLanes(
  gates: Iterable<Gate>,
  refused: ReadonlyMap<string, string>,
  { isOpen, whyShut }: ShownBy,
): Map<string, LaneNow> {
  const shown = new Map<string, LaneNow>()
  refused.forEach((reason, upstream) => shown.set(upstream, { state: 'none', reason }))
  for (const { id, arms } of gates) {
    for (const { lane } of arms) {
      const before = shown.get(lane.upstream)
      if (before === undefined || before.state === 'open') {
        shown.set(lane.upstream, isOpen(id) ? { state: 'open' } : whyShut(lane.id))
      }
    }
  }
  return shown
}

/** Keeps since when it is so. */
export class LaneViews {
  readonly #views = new Map<string, LaneView>()

  list(): LaneView[] {
    return [...this.#views.values()]
  }

  /** True when anything is something else now. */
  update(shown: ReadonlyMap<string, LaneNow>): boolean {
    let isNews = false
    for (const upstream of [...this.#views.keys()].filter((name) => !shown.has(name))) {
      isNews = this.#views.delete(upstream)
    }
    for (const [upstream, now] of shown) {
      const before = this.#views.get(upstream)
      if (before?.state !== now.state || before.reason !== now.reason) {
        this.#views.set(upstream, { upstream, ...now, sinceAtMs: Date.now() })
        isNews = true
      }
    }
    return isNews
  }
}

/**
 * Routes outlive the last container of their upstream for a while. While it restarts, requests get
 * 503 (nothing is up, try again) and not 404 (no such host). Pure but for what it remembers.
 */
import { parseKey } from '../../contract/keys.js'
import { readRoute } from './route-claim.js'

export class LingeringRoutes {
  readonly #forMs: number
  /** Registry key → when it was first not wanted any more. */
  readonly #since = new Map<string, number>()

  constructor(forMs: number) {
    this.#forMs = forMs
  }

  /**
   * Adds to `wanted` (registry key → value) the routes of `before` that linger. Answers the
   * milliseconds until the first of them goes; undefined when there is none.
   */
  keep(
    wanted: Map<string, string>,
    before: ReadonlyMap<string, string>,
    nowMs: number,
  ): number | undefined {
    const { upstreams, claims } = summary(wanted)
    const missing = [...before].filter(([key]) => key.startsWith('routes/') && !wanted.has(key))
    const until: number[] = []
    const lingering = new Set<string>()
    for (const [key, value] of missing) {
      const route = readRoute(value)
      const endsAtMs = (this.#since.get(key) ?? nowMs) + this.#forMs
      const isFree = route !== undefined && !claims.has(route.claim)
      // An upstream that has a container left does not restart: then its labels have changed.
      if (isFree && !upstreams.has(route.upstream) && endsAtMs > nowMs) {
        this.#since.set(key, endsAtMs - this.#forMs)
        lingering.add(key)
        until.push(endsAtMs - nowMs)
        wanted.set(key, value)
      }
    }
    for (const key of this.#since.keys()) {
      if (!lingering.has(key)) {
        this.#since.delete(key)
      }
    }
    return until.length === 0 ? undefined : Math.min(...until)
  }
}

interface Summary {
  upstreams: Set<string>
  /** Hosts and path prefixes that have a route. */
  claims: Set<string>
}

function summary(wanted: ReadonlyMap<string, string>): Summary {
  const upstreams = new Set<string>()
  const claims = new Set<string>()
  for (const [key, value] of wanted) {
    const parsed = parseKey(key)
    const route = parsed?.kind === 'routes' ? readRoute(value) : undefined
    if (parsed?.kind === 'instances') {
      upstreams.add(parsed.upstream)
    } else if (route !== undefined) {
      claims.add(route.claim)
    }
  }
  return { upstreams, claims }
}

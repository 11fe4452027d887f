/**
 * In-flight requests, by SID. nginx counts what its front sends (`limit_conn`, which only answers
 * "at least n?"), njs counts what its hop sends; both by worker, so what a dead worker left behind
 * is not asked for.
 */
import { EXACT_IN_FLIGHT, MOST_IN_FLIGHT } from '../../contract/table/limits.js'
import type { GatewayClient } from './gateway-client.js'

const AT_ONCE = 8
const CACHE_MS = 300

type Probe = (limit: number) => Promise<boolean>

/** The number behind "at least n?", by as few questions as one can. */
export async function bisectCount(probe: Probe): Promise<number> {
  if (!(await probe(1))) {
    return 0
  }
  if (await probe(EXACT_IN_FLIGHT)) {
    let reached = EXACT_IN_FLIGHT
    while (reached * 2 <= MOST_IN_FLIGHT && (await probe(reached * 2))) {
      reached *= 2
    }
    return reached
  }
  let low = 1
  let high = EXACT_IN_FLIGHT
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (await probe(middle)) {
      low = middle
    } else {
      high = middle
    }
  }
  return low
}

interface Counted {
  atMs: number
  count: Promise<number | undefined>
}

export class ActiveCounter {
  readonly #gateway: GatewayClient
  readonly #workers: () => number[]
  readonly #cache = new Map<string, Counted>()
  readonly #waiting: Array<() => void> = []
  #running = 0

  /** `workers` are the pids that live; none means that nginx cannot say. */
  constructor(gateway: GatewayClient, workers: () => number[]) {
    this.#gateway = gateway
    this.#workers = workers
  }

  /** What was counted before a change says nothing about after it. */
  forget(): void {
    this.#cache.clear()
  }

  /** In the order of `sids`; undefined where the gateway does not know. Never rejects. */
  async count(sids: string[]): Promise<Array<number | undefined>> {
    return Promise.all(sids.map((sid) => this.#cached(sid)))
  }

  /** What nginx counts by this name, asked now; undefined where the gateway does not know. */
  async countNamed(name: string): Promise<number | undefined> {
    const pids = this.#workers()
    if (pids.length === 0) {
      return undefined
    }
    return this.#inTurn(async () => {
      let sum = 0
      for (const pid of pids) {
        sum += await bisectCount((limit) => this.#gateway.probe(limit, name, pid))
      }
      return sum
    }).catch(() => undefined)
  }

  #cached(sid: string): Promise<number | undefined> {
    const now = performance.now()
    const known = this.#cache.get(sid)
    if (known !== undefined && now - known.atMs < CACHE_MS) {
      return known.count
    }
    const count = this.#inTurn(() => this.#count(sid))
    if (this.#cache.size > 10_000) {
      this.#cache.clear()
    }
    this.#cache.set(sid, { atMs: now, count })
    return count
  }

  async #count(sid: string): Promise<number | undefined> {
    const pids = this.#workers()
    if (pids.length === 0) {
      return undefined
    }
    try {
      let sum = (await this.#gateway.active([sid], pids))[0] ?? 0
      for (const pid of pids) {
        sum += await bisectCount((limit) => this.#gateway.probe(limit, sid, pid))
      }
      return sum
    } catch {
      // Unreachable, or a refusal: the pusher says why; here it only means that nobody knows.
      return undefined
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }
}

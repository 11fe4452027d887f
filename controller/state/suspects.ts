/**
 * Removals that are not believed yet. When much of an upstream vanishes at once and nobody said so,
 * the store or the network is the likelier cause: what vanished serves on until the registry has
 * been reachable for a while.
 */
import type { SuspectView } from '../views.js'

export interface SuspectOptions {
  /** For how long the registry must have been reachable before a removal is believed. */
  holdMs: number
  /** Losses this close together count as one. */
  windowMs: number
  /** Monotonic milliseconds. */
  now: () => number
}

export const DEFAULT_SUSPECTS: SuspectOptions = {
  holdMs: 30_000,
  windowMs: 15_000,
  now: () => performance.now(),
}

interface Held {
  upstream: string
  id: string
  reason: string
  sinceMs: number
}

/**
 * Which registry keys are held, since when, and until when. Keys without an upstream (routes) are
 * held but not shown.
 */
export class Suspects {
  readonly #options: SuspectOptions
  readonly #believe: (keys: string[]) => void
  readonly #held = new Map<string, Held>()
  #connectedAtMs: number | undefined
  #wasAway = false
  #timer: NodeJS.Timeout | undefined

  /** `believe` gets the keys whose removal is believed now; they are not held any more. */
  constructor(options: SuspectOptions, believe: (keys: string[]) => void) {
    this.#options = options
    this.#believe = believe
  }

  get size(): number {
    return this.#held.size
  }

  /** Whether the registry is away, or is back for less than it takes to believe a removal. */
  get isUnsettled(): boolean {
    const { now, holdMs } = this.#options
    const sinceMs = this.#connectedAtMs
    return this.#wasAway && (sinceMs === undefined || now() - sinceMs < holdMs)
  }

  has(key: string): boolean {
    return this.#held.has(key)
  }

  hold(items: Array<{ key: string; upstream: string; id: string }>, reason: string): void {
    const sinceMs = this.#options.now()
    for (const { key, upstream, id } of items) {
      if (!this.#held.has(key)) {
        this.#held.set(key, { upstream, id, reason, sinceMs })
      }
    }
    this.#schedule()
  }

  /** It came back, or somebody deleted it on purpose. */
  release(key: string): void {
    this.#held.delete(key)
  }

  /** While the registry is away nothing is believed, and the time begins anew when it is back. */
  setConnected(connected: boolean): void {
    if (!connected) {
      this.#connectedAtMs = undefined
      this.#wasAway = true
    } else {
      this.#connectedAtMs ??= this.#options.now()
    }
    this.#schedule()
  }

  confirm(upstream?: string): void {
    const keys = [...this.#held].filter(
      ([, held]) => upstream === undefined || held.upstream === upstream,
    )
    this.#give(keys.map(([key]) => key))
  }

  view(): SuspectView[] {
    const views = new Map<string, SuspectView>()
    const toUnixMs = Date.now() - this.#options.now()
    for (const held of this.#held.values()) {
      const name = held.upstream
      if (name === '') {
        continue
      }
      const sinceAtMs = Math.round(held.sinceMs + toUnixMs)
      const untilAtMs = Math.round(this.#untilMs(held) + toUnixMs)
      const view = views.get(name)
      if (view === undefined) {
        const { reason } = held
        views.set(name, { upstream: name, instances: [held.id], reason, sinceAtMs, untilAtMs })
      } else {
        view.instances.push(held.id)
        view.untilAtMs = Math.max(view.untilAtMs, untilAtMs)
      }
    }
    return [...views.values()]
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#held.clear()
  }

  #untilMs(held: Held): number {
    const fromMs = this.#connectedAtMs ?? this.#options.now()
    return Math.max(held.sinceMs, fromMs) + this.#options.holdMs
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#connectedAtMs === undefined || this.#held.size === 0) {
      return
    }
    let nextMs = Infinity
    for (const held of this.#held.values()) {
      nextMs = Math.min(nextMs, this.#untilMs(held))
    }
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, nextMs - this.#options.now() + 1))
    this.#timer.unref()
  }

  #expire(): void {
    const now = this.#options.now()
    const due = [...this.#held].filter(([, held]) => this.#untilMs(held) <= now)
    this.#give(due.map(([key]) => key))
    this.#schedule()
  }

  #give(keys: string[]): void {
    for (const key of keys) {
      this.#held.delete(key)
    }
    if (keys.length > 0) {
      this.#believe(keys)
    }
  }
}

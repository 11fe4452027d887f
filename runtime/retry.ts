/** Delays between attempts, and limits of time. */
import { setTimeout as delay } from 'node:timers/promises'

export interface BackoffOptions {
  /** First delay's upper bound, in milliseconds. */
  firstMs: number
  /** No delay is above this. */
  mostMs: number
}

/**
 * Exponential delays with equal jitter: each is random between half and all of a bound that
 * doubles.
 */
export class Backoff {
  readonly #options: BackoffOptions
  #boundMs: number

  constructor(options: BackoffOptions) {
    this.#options = options
    this.#boundMs = options.firstMs
  }

  nextMs(): number {
    const bound = this.#boundMs
    this.#boundMs = Math.min(bound * 2, this.#options.mostMs)
    return Math.round(bound / 2 + (Math.random() * bound) / 2)
  }

  /** After success: the next delay is short again. */
  reset(): void {
    this.#boundMs = this.#options.firstMs
  }
}

const DAY_MS = 86_400_000

/** Resolves when `signal` aborts, and keeps the process alive until then. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(DAY_MS, signal)
  }
}

/** Waits, or ends early and quietly when `signal` aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    if (signal?.aborted !== true) {
      throw error
    }
  }
}

/**
 * A promise that rejects with `timedOut()` when `work` takes longer than `ms`. The work itself goes
 * on.
 */
export async function withTimeLimit<T>(
  ms: number,
  work: Promise<T>,
  timedOut: () => Error,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timedOut()), ms)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

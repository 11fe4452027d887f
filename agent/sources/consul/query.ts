/** One blocking query of Consul, asked again and again; and how many may be under way. */
import { messageOf } from '../../../runtime/errors.js'
import { Backoff, pause } from '../../../runtime/retry.js'
import { ConsulRefusal, nextIndex } from './client.js'
import type { ConsulAnswer } from './client.js'

/** Queries that are under way at once; Consul serves 200 connections of one client by default. */
const MOST_AT_ONCE = 128
const WAIT_MS = 30_000
/** With more queries than may be under way, each is asked in its turn and waits this long. */
const SHORT_WAIT_MS = 1000
/** Between two questions of one query, however fast Consul answers. */
const LEAST_ROUND_MS = 50

/** Lets so many through at a time, in the order in which they came. */
export class QueryLimit {
  #running = 0
  #queries = 0
  readonly #waiting: Array<() => void> = []

  /** How long a query may block now. */
  get waitMs(): number {
    return this.#queries > MOST_AT_ONCE ? SHORT_WAIT_MS : WAIT_MS
  }

  /** To be called when a query begins; returns what ends it. */
  enter(): () => void {
    this.#queries += 1
    return () => (this.#queries -= 1)
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MOST_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running += 1
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) {
        this.#running -= 1
      } else {
        next()
      }
    }
  }
}

export interface QueryHandlers {
  ask(index: number, waitMs: number): Promise<ConsulAnswer>
  /** The answer's body, when it may be another than before. */
  onAnswer(body: unknown): void
  /** `isRefused`: Consul answers, and will not say this. */
  onFailure(reason: string, isRefused: boolean): void
}

/** Until `signal` aborts. Never rejects. No Loop: Consul decides how long a round takes. */
export async function followQuery(
  handlers: QueryHandlers,
  limit: QueryLimit,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ firstMs: 100, mostMs: 2000 })
  const leave = limit.enter()
  let index = 0
  while (!signal.aborted) {
    const soonest = pause(LEAST_ROUND_MS, signal)
    try {
      const answer = await limit.run(() => handlers.ask(index, limit.waitMs))
      if (signal.aborted) {
        break
      }
      if (answer.index !== index || index === 0) {
        handlers.onAnswer(answer.body)
      }
      index = nextIndex(index, answer.index)
      backoff.reset()
      await soonest
    } catch (error) {
      if (signal.aborted) {
        break
      }
      handlers.onFailure(messageOf(error), error instanceof ConsulRefusal)
      // Asked from the start, it answers as soon as it can.
      index = 0
      await pause(backoff.nextMs(), signal)
    }
  }
  leave()
}

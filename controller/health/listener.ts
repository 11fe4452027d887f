/** Asks nginx, again and again, what failed and how answers were. */
import type { AnswersReply, EventsReply } from '../../contract/push.js'
import { MOST_OPERATIONS } from '../../contract/table/limits.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import type { AnswerCounts } from './outliers.js'

/** Where failures come from: {@link GatewayClient} is one. */
export interface Feed {
  events(from: number): Promise<EventsReply>
  answers(sids: string[]): Promise<AnswersReply>
  forget(sids: string[]): Promise<void>
}

export interface ListenerOptions {
  log: Logger
  feed: Feed
  /** Whether a failure counts anywhere; while none does, it is asked seldom. */
  hears(): boolean
  /** Whose answers are wanted, by SID. */
  measured(): string[]
  /** Who has been gone for long, by SID; and that nginx has forgotten them. */
  gone(): string[]
  onForgotten(sids: string[]): void
  /** `f<sid>`, `t<sid>` and `p<sid>`, oldest first. */
  onEvents(events: string[]): void
  onAnswers(counters: Map<string, AnswerCounts>): void
  /** After each round, of failed ones too: time has passed. */
  onTick(): void
}

const POLL_MS = 100
const SLOW_POLL_MS = 1000
const ANSWERS_MS = 1000
const RETRY = { firstMs: 200, mostMs: 2000 }

export class Listener {
  readonly #options: ListenerOptions
  readonly #loop: Loop
  /** Number of the next event; undefined before the first answer. */
  #next: number | undefined
  #master = 0
  #answersAtMs = -Infinity

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#loop = new Loop({
      round: async ({ signal }) => {
        await this.poll()
        options.onTick()
        await pause(options.hears() ? POLL_MS : SLOW_POLL_MS, signal)
      },
      onError: (error) => {
        // The pusher says that the gateway is away; what it has to report is still there when it is
        // back.
        options.log.debug({ error: messageOf(error) }, 'nginx does not report what failed')
        options.onTick()
      },
      retry: RETRY,
    })
  }

  start(): void {
    this.#loop.start()
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  /** One round. Rejects when nginx cannot be reached. */
  async poll(): Promise<void> {
    await this.#hear()
    if (performance.now() >= this.#answersAtMs + ANSWERS_MS) {
      await this.#measure()
    }
    const gone = this.#options.gone().slice(0, MOST_OPERATIONS)
    if (gone.length > 0) {
      await this.#options.feed.forget(gone)
      this.#options.onForgotten(gone)
    }
  }

  async #hear(): Promise<void> {
    const isFirst = this.#next === undefined
    const { feed } = this.#options
    let reply = await feed.events(this.#next ?? 0)
    if (!isFirst && reply.master !== this.#master) {
      // A new nginx may have counted further than the one before it had.
      reply = await feed.events(0)
    }
    const { master, next, events } = reply
    this.#master = master
    this.#next = next
    // Nobody knows how old the first ones are.
    if (!isFirst && events.length > 0) {
      this.#options.onEvents(events)
    }
  }

  async #measure(): Promise<void> {
    const sids = this.#options.measured()
    if (sids.length === 0) {
      return
    }
    this.#answersAtMs = performance.now()
    const counters = new Map<string, AnswerCounts>()
    for (let i = 0; i < sids.length; i += MOST_OPERATIONS) {
      const part = sids.slice(i, i + MOST_OPERATIONS)
      const { answers, errors, millis } = await this.#options.feed.answers(part)
      part.forEach((sid, k) => {
        const counts = [answers[k] ?? 0, errors[k] ?? 0, millis[k] ?? 0] as const
        counters.set(sid, { answers: counts[0], errors: counts[1], millis: counts[2] })
      })
    }
    this.#options.onAnswers(counters)
  }
}

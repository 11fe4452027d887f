/**
 * Keeps the connection to one engine. Every container is looked at again after each connection and
 * every `resyncMs`, so whatever was missed heals by itself.
 */
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff, pause } from '../../runtime/retry.js'
import type { Container } from './container.js'
import type { ContainerEngine } from './engine.js'
import type { EngineEvent } from './events.js'
import { EngineContainers } from './engine-containers.js'

export interface FollowOptions {
  /** Makes a new client; called for each connection. */
  open: () => ContainerEngine
  log: Logger
  /** All containers, whenever something about them may have changed. */
  onContainers(containers: ReadonlyMap<string, Container>): void
  /** A container was sent its stop signal. Comes before the `onContainers` that shows it. */
  onStopSignal(container: Container): void
  /** The engine is out of reach, or answers and is not believed, and why; undefined: neither. */
  onEngine?(reason: string | undefined, isDoubted?: boolean): void
  /** Milliseconds between full comparisons. */
  resyncMs?: number
  pingMs?: number
}

const RESYNC_MS = 30_000
const PING_MS = 5000
const MISSED_PINGS = 2
/** How often processes are looked at while the engine is away. */
const PROCESSES_MS = 100

export class Follower {
  readonly #options: FollowOptions
  readonly #containers: EngineContainers
  #away = false

  constructor(options: FollowOptions) {
    this.#options = options
    this.#containers = new EngineContainers({
      ...options,
      onDoubt: (reason) => {
        if (!this.#away) {
          this.#options.onEngine?.(reason, reason !== undefined)
        }
      },
    })
  }

  /** Until `signal` aborts. Outages are waited out. Rejects when the engine's address is none. */
  async run(signal: AbortSignal): Promise<void> {
    // No Loop: each session ends by an error, and its first listing makes the next wait short.
    const backoff = new Backoff({ firstMs: 100, mostMs: 5000 })
    const watching = setInterval(() => this.#containers.withdrawEnded(), PROCESSES_MS)
    signal.addEventListener('abort', () => clearInterval(watching))
    while (!signal.aborted) {
      const engine = this.#options.open()
      try {
        await this.#session(engine, signal, () => backoff.reset())
      } catch (error) {
        this.#logAway(engine, messageOf(error))
      }
      this.#containers.isFollowing = false
      if (!signal.aborted) {
        await pause(backoff.nextMs(), signal)
      }
    }
  }

  #logAway(engine: ContainerEngine, reason: string): void {
    const { log } = this.#options
    const fields = { engine: engine.address, reason }
    if (this.#away) {
      log.debug(fields, 'container engine still away')
      return
    }
    this.#away = true
    this.#options.onEngine?.(reason)
    if (this.#containers.hasListed) {
      log.warn(fields, 'container engine away; what is registered stays')
    } else {
      log.info(fields, 'no container engine answers yet; looking again every few seconds')
    }
  }

  /** Of these (ids of 12 digits) an operator knows that they are gone, whatever the engine says. */
  forget(ids: ReadonlySet<string>): void {
    this.#containers.forget(ids)
  }

  async #session(engine: ContainerEngine, signal: AbortSignal, onGood: () => void): Promise<void> {
    await engine.ping()
    const session = new AbortController()
    const end = () => session.abort()
    // Events before the listing: what happens between the two is then in the stream.
    const events = await engine.openEvents({
      onEvent: (event) => this.#onEvent(event, engine, end),
      onLost: () => this.#refreshAll(engine, end),
    })
    session.signal.addEventListener('abort', () => events.close())
    signal.addEventListener('abort', end)
    try {
      await this.#containers.list(engine)
      onGood()
      this.#containers.isFollowing = true
      this.#away = false
      const { doubt } = this.#containers
      this.#options.onEngine?.(doubt, doubt !== undefined)
      this.#options.log.info({ engine: engine.address }, 'following container engine')
      void this.#keepWatch(engine, end, session.signal)
      const reason = await events.closed
      if (!signal.aborted) {
        throw new Error(reason)
      }
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }

  /** Pings, and looks at all from time to time. Ends a session without answers. Never rejects. */
  async #keepWatch(engine: ContainerEngine, end: () => void, signal: AbortSignal): Promise<void> {
    const { pingMs = PING_MS, resyncMs = RESYNC_MS } = this.#options
    let missed = 0
    let lookedAtMs = performance.now()
    for (;;) {
      const sleptAtMs = performance.now()
      await pause(Math.min(pingMs, resyncMs), signal)
      if (signal.aborted) {
        return
      }
      // This process slept too long: the engine may have dropped events.
      const overslept = performance.now() - sleptAtMs > 2 * pingMs
      try {
        await engine.ping()
        missed = 0
      } catch {
        missed += 1
        if (missed >= MISSED_PINGS) {
          end()
          return
        }
      }
      if (overslept || performance.now() - lookedAtMs >= resyncMs) {
        lookedAtMs = performance.now()
        this.#refreshAll(engine, end)
      }
    }
  }

  #onEvent(event: EngineEvent, engine: ContainerEngine, end: () => void): void {
    // The first listing inspects everything that came in meanwhile, too.
    if (this.#containers.hear(event) && this.#containers.hasListed) {
      this.#containers.inspectDue(engine).catch((error: unknown) => this.#endSession(end, error))
    }
  }

  #refreshAll(engine: ContainerEngine, end: () => void): void {
    this.#containers.list(engine).catch((error: unknown) => this.#endSession(end, error))
  }

  /** An engine that answers pings and nothing else is as good as away: begin again. */
  #endSession(end: () => void, error: unknown): void {
    this.#options.log.warn({ reason: messageOf(error) }, 'container engine does not answer')
    end()
  }
}

/** The link to one table of the own nginx: pushing to it, counting by it, watching over it. */
import type { Code } from '../../contract/codes.js'
import type { GatewayState } from '../../contract/push.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { ActiveCounter } from './in-flight.js'
import { GatewayClient } from './gateway-client.js'
import type { Feed } from '../health/listener.js'
import { Pusher } from './pusher.js'
import type { PushFault } from './pusher.js'
import type { TableSource } from '../table/table-source.js'
import { HUNG_REASON, Watchdog } from './watchdog.js'

export interface GatewayLinkOptions {
  socketPath: string
  source: TableSource
  log: Logger
  /** As of the pusher. */
  isLazy?: boolean
  /** As of the client. */
  master?: () => number | undefined
  onFailure(reason: string): void
  onApplied(revision: number, lagMs: number): void
  /** Something of what `view` shows changed. */
  onChange(): void
  /** The first state that is seen, and each that shows nginx was started anew. */
  onStarted(state: GatewayState, isFirst: boolean): void
  onUnknown(names: string[]): void
  /** How many seats nginx's stream{} has, with each state that is seen. */
  onSeats?(seats: number): void
}

export interface LinkView {
  connected: boolean
  /** Unix milliseconds since which `connected` is as it is. */
  sinceAtMs?: number
  workers: number
  nginx: string
  njs: string
  reason: string | undefined
  /** Of the reason, where something is wrong. */
  code?: Code | undefined
}

const POLL_MS = 400
const PROBE_MS = 2000
const UNREACHED: PushFault = {
  reason: 'the gateway was not reached yet',
  code: 'gateway_unavailable',
}
const HUNG: PushFault = { reason: HUNG_REASON, code: 'gateway_unavailable' }

export class GatewayLink {
  readonly pusher: Pusher
  readonly #gateway: GatewayClient
  readonly #watchdog: Watchdog
  readonly #active: ActiveCounter
  readonly #options: GatewayLinkOptions
  #state: GatewayState | undefined
  #isReached = false
  #wasConnected = false
  #sinceAtMs = Date.now()
  #master: number | undefined
  #shown = ''

  constructor(options: GatewayLinkOptions) {
    this.#options = options
    const { socketPath, source, log, isLazy = false, master } = options
    const onFailure = (reason: string) => options.onFailure(reason)
    this.#gateway = new GatewayClient(socketPath, { ...(master && { master }) })
    this.#active = new ActiveCounter(this.#gateway, () => this.#state?.workers ?? [])
    this.#watchdog = new Watchdog(this.#gateway, {
      log,
      everyMs: PROBE_MS,
      ownEpoch: () => this.pusher.ownEpoch,
      onHung: (hung) => {
        if (hung) {
          onFailure('hung')
        }
        this.#changed()
      },
    })
    this.pusher = new Pusher(this.#gateway, {
      source,
      log,
      pollMs: POLL_MS,
      isLazy,
      onFailure,
      onUnknown: (names) => options.onUnknown(names),
      onApplied: (revision, lagMs) => {
        // What was counted before says nothing of now.
        this.#active.forget()
        options.onApplied(revision, lagMs)
        this.#changed()
      },
      onState: (state) => this.#onState(state),
    })
  }

  /** What failed, and how answers were. */
  get feed(): Feed {
    return this.#gateway
  }

  get isHung(): boolean {
    return this.#watchdog.isHung
  }

  /** Of stream{}: the ports that are open; undefined until nginx reported them. */
  get ports(): string | undefined {
    return this.#state?.ports
  }

  /** Of these, those whose routes may be tuned. */
  get tuned(): string | undefined {
    return this.#state?.tuned
  }

  /** Of stream{}: whether it passes TLS through by name. */
  get passthrough(): boolean {
    return this.#state?.passthrough === true
  }

  /** The pid of nginx; undefined until it was reached. */
  get master(): number | undefined {
    return this.#master
  }

  get freeBytes(): number | undefined {
    return this.#state?.freeBytes
  }

  view(): LinkView {
    const state = this.#state
    const isHung = this.#watchdog.isHung
    const fault = isHung
      ? HUNG
      : (this.pusher.fault ?? (state === undefined ? UNREACHED : undefined))
    return {
      connected: this.#isConnected,
      sinceAtMs: this.#sinceAtMs,
      workers: state?.workers.length ?? 0,
      nginx: state?.nginx ?? '',
      njs: state?.njs ?? '',
      reason: fault?.reason,
      code: fault?.code,
    }
  }

  get #isConnected(): boolean {
    return this.#isReached && !this.isHung && !this.pusher.isFenced
  }

  start(): void {
    this.pusher.start()
    this.#watchdog.start()
  }

  /** In flight by SID; undefined where it is not known. */
  active(sids: string[]): Promise<Array<number | undefined>> {
    return this.#isReached ? this.#active.count(sids) : Promise.resolve(sids.map(() => undefined))
  }

  /** In flight by what nginx counts under this name, asked now. */
  inFlightNamed(name: string): Promise<number | undefined> {
    return this.#isReached ? this.#active.countNamed(name) : Promise.resolve(undefined)
  }

  counters(): Promise<Record<string, number>> {
    return this.#gateway.counters()
  }

  async close(): Promise<void> {
    await Promise.all([this.pusher.close(), this.#watchdog.close()])
    await this.#gateway.close()
  }

  #onState(state: GatewayState | undefined): void {
    this.#isReached = state !== undefined
    if (state !== undefined) {
      this.#sweep(this.#state?.workers ?? [], state.workers)
      this.#state = state
      this.#options.onSeats?.(state.seats ?? 0)
      if (state.pid !== this.#master) {
        const isFirst = this.#master === undefined
        this.#master = state.pid
        this.#options.onStarted(state, isFirst)
      }
    }
    this.#changed()
  }

  /**
   * A worker that died leaves its requests in the count of all. One that ended well leaves nothing,
   * and costs a look.
   */
  #sweep(before: number[], workers: number[]): void {
    if (workers.length === 0 || before.every((pid) => workers.includes(pid))) {
      return
    }
    this.#gateway.sweep(workers).catch((error: unknown) => {
      // What is counted too much makes a peer look busier than it is, until the next worker ends.
      this.#options.log.warn(
        { error: messageOf(error) },
        'requests that an ended worker counted are still counted',
      )
    })
  }

  #changed(): void {
    if (this.#isConnected !== this.#wasConnected) {
      this.#wasConnected = this.#isConnected
      this.#sinceAtMs = Date.now()
    }
    const shown = JSON.stringify([this.view(), this.pusher.applied])
    if (shown !== this.#shown) {
      this.#shown = shown
      this.#options.onChange()
    }
  }
}

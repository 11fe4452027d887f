/** Keeps one gateway's table level with the desired state: owns it, looks at it, sends the news. */
import type { Code } from '../../contract/codes.js'
import type { GatewayState } from '../../contract/push.js'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { isTimeout, Rejected } from './gateway-client.js'
import type { GatewayClient } from './gateway-client.js'
import { Lag } from './lag.js'
import { OtherOwner } from './other-owner.js'
import { TableSender } from './table-sender.js'
import type { TableSource } from '../table/table-source.js'

export interface PushOptions {
  source: TableSource
  log: Logger
  /** The gateway's state is looked at no less often than this. */
  pollMs: number
  /**
   * What changes nothing in this table counts as applied at once. The gateway gets its revision at
   * the next look.
   */
  isLazy?: boolean
  /** Another owner that gives no sign of life for so long is gone; 10 s by default. */
  deadOwnerMs?: number
  onFailure(reason: string): void
  /** A revision, and the milliseconds from its being known here to its being acknowledged. */
  onApplied(revision: number, lagMs: number): void
  /** Each state that was seen; undefined when the gateway cannot be reached. */
  onState(state: GatewayState | undefined): void
  /**
   * The registry knows nothing of much that the table has. It stays until `drop` is called with
   * these names.
   */
  onUnknown(names: string[]): void
}

/** Why a gateway is not level: for people, and as a code. */
export interface PushFault {
  reason: string
  code: Code
}

type Status = 'level' | 'fenced' | 'full' | 'failing'

const RETRY = { firstMs: 50, mostMs: 1000 }
const FULL_RETRY_MS = 5000

function codeOf(error: unknown): Code {
  return error instanceof SluiceError ? error.code : 'internal'
}

export class Pusher {
  readonly #gateway: GatewayClient
  readonly #options: PushOptions
  readonly #sender: TableSender
  readonly #otherOwner: OtherOwner
  readonly #lag = new Lag()
  readonly #loop: Loop
  #epoch = 0
  #applied = 0
  /**
   * The revision that the gateway shows. It is older than what is applied if nothing changed there.
   */
  #shown = 0
  /** Whether it is known what the table holds. */
  #isSure = false
  /** The gateway was seen without what it had acknowledged: nginx was started anew. */
  #isLost = false
  #seenAtMs = 0
  #status: Status = 'failing'
  #fault: PushFault | undefined

  constructor(gateway: GatewayClient, options: PushOptions) {
    this.#gateway = gateway
    this.#options = options
    this.#sender = new TableSender(gateway, options.source)
    this.#otherOwner = new OtherOwner(gateway, options.deadOwnerMs)
    this.#loop = new Loop({
      round: () => this.#round(),
      onError: (error) => this.#failed(error),
      retry: RETRY,
    })
  }

  /**
   * Revision of the registry that the gateway has; 0 before the first time, and after it lost it.
   */
  get applied(): number {
    return this.#isLost ? 0 : this.#applied
  }

  /** Why it is not level; undefined when it is, or when nothing went wrong yet. */
  get fault(): PushFault | undefined {
    return this.#fault
  }

  /** Undefined while the gateway is not this controller's. */
  get ownEpoch(): number | undefined {
    return this.#epoch === 0 || this.isFenced ? undefined : this.#epoch
  }

  /** Whether another controller has taken the gateway over. */
  get isFenced(): boolean {
    return this.#status === 'fenced'
  }

  /** Milliseconds since it fell behind; 0 when it is level. */
  get lagMs(): number {
    return this.#lag.ms
  }

  start(): void {
    this.#loop.start()
  }

  /** There is something new. */
  wake(): void {
    this.#lag.begin()
    this.#loop.bell.ring()
  }

  /** Reads the whole table back at the next look, and mends what differs. */
  compare(): void {
    this.#isSure = false
    this.#seenAtMs = 0
    this.wake()
  }

  /**
   * Lets go of units that were kept although the registry does not know them. By default these are
   * the awaited ones.
   */
  drop(names?: string[]): void {
    this.#sender.drop(names)
    this.wake()
  }

  /**
   * Ends after the push that is under way, and after what is waiting when that can be pushed at
   * once.
   */
  close(): Promise<void> {
    return this.#loop.close()
  }

  async #round(): Promise<void> {
    await this.#waitIfFull()
    await this.#look()
    await this.#follow()
  }

  /** Only something new makes it likelier to fit. */
  async #waitIfFull(): Promise<void> {
    if (this.#status === 'full' && !this.#loop.isClosed) {
      await this.#loop.bell.wait(FULL_RETRY_MS)
    }
  }

  /** Pushes what is new as it comes, until it is time to look again. */
  async #follow(): Promise<void> {
    for (;;) {
      while (this.#mayPush() && (await this.#pushNews())) {}
      if (this.#loop.isClosed || this.#leftMs() <= 0) {
        return
      }
      await this.#loop.bell.wait(this.#leftMs())
      if (!this.#isSure && !this.isFenced) {
        return
      }
    }
  }

  /** Milliseconds until it is time to look again. */
  #leftMs(): number {
    return this.#seenAtMs + this.#options.pollMs - performance.now()
  }

  /** News never put off a look. At the end there is no look, and what waits is sent. */
  #mayPush(): boolean {
    return this.#isSure && !this.isFenced && (this.#loop.isClosed || this.#leftMs() > 0)
  }

  /** One look at the gateway, and a comparison when it is not as it was left. */
  async #look(): Promise<void> {
    const state = await this.#gateway.state()
    this.#seen(state)
    const { source } = this.#options
    if (this.#noteFence(state)) {
      await this.#watchOwner(state)
      return
    }
    if (!source.isReady) {
      return
    }
    source.setNamed?.(state.named === true)
    this.#sender.update()
    const isOurs = this.#epoch !== 0 && state.epoch === this.#epoch
    // A replaced registry may count from the start again. A gateway goes back only with a new
    // owner.
    const goesBack = source.revision < Math.max(this.#applied, state.revision)
    if (!isOurs || !state.whole) {
      this.#isLost = true
    }
    if (!isOurs || goesBack) {
      await this.#resync(await this.#claim(state))
    } else if (!this.#isSure || !state.whole || state.revision !== this.#shown) {
      await this.#resync(state)
    } else if (this.#shown !== this.#applied) {
      await this.#send(this.#shown, false)
    }
  }

  #seen(state: GatewayState): void {
    this.#seenAtMs = performance.now()
    this.#options.onState(state)
  }

  #noteFence(state: GatewayState): boolean {
    const isFenced = this.#epoch !== 0 && state.epoch > this.#epoch
    if (isFenced && !this.isFenced) {
      this.#isSure = false
      this.#options.onFailure('stale_epoch')
      const whose = `another controller (epoch ${state.epoch}) owns this gateway`
      const reason = `${whose}; this one (epoch ${this.#epoch}) has stopped pushing to it`
      this.#setStatus('fenced', { reason, code: 'stale_epoch' })
    } else if (!isFenced && this.isFenced) {
      this.#setStatus('failing')
    }
    return isFenced
  }

  /**
   * Takes the gateway again from an owner that has gone: one that was started by mistake, and
   * ended. Otherwise nobody would ever push to it again.
   */
  async #watchOwner(state: GatewayState): Promise<void> {
    const isGone = await this.#otherOwner.isGone(state.epoch)
    const { log, source } = this.#options
    if (!isGone || !source.isReady) {
      return
    }
    log.warn({ epoch: state.epoch }, 'the other owner of the gateway is gone; it is taken again')
    this.#sender.update()
    await this.#resync(await this.#claim(state))
  }

  async #claim(state: GatewayState): Promise<GatewayState> {
    const epoch = Math.max(Date.now(), state.epoch + 1, this.#epoch + 1)
    this.#isSure = false
    const claimed = await this.#gateway.claim({ epoch, expect: state.epoch })
    this.#epoch = epoch
    this.#seen(claimed)
    this.#options.log.info({ epoch, before: state.epoch }, 'gateway claimed')
    return claimed
  }

  /** Compares all of the table with what should be there and sends the difference. */
  async #resync(state: GatewayState): Promise<void> {
    this.#isSure = false
    const { differed, unknown } = await this.#sender.compare()
    if (unknown.length > 0) {
      this.#options.onUnknown(unknown)
    }
    const units = this.#options.source.units.size
    await this.#send(state.revision, true)
    this.#options.log.info({ units, differed }, 'gateway compared')
  }

  /** True when something was sent: there may be more. */
  async #pushNews(): Promise<boolean> {
    this.#sender.update()
    const revision = this.#options.source.revision
    if (this.#sender.isEmpty && revision === this.#applied) {
      this.#lag.none()
      return false
    }
    if (revision < this.#applied) {
      this.#isSure = false
      this.#seenAtMs = 0
      return false
    }
    if (this.#options.isLazy === true && this.#sender.isEmpty) {
      this.#lag.send()
      this.#noteApplied(revision)
      return false
    }
    await this.#send(this.#shown, false)
    return true
  }

  async #send(from: number, whole: boolean): Promise<void> {
    const to = this.#options.source.revision
    this.#lag.send()
    // Until all of it is acknowledged, nobody knows what is there.
    this.#isSure = false
    const isFull = this.#status === 'full'
    await this.#sender.send({ epoch: this.#epoch, from, to, whole, isFull })
    this.#isSure = true
    this.#shown = to
    this.#noteApplied(to)
  }

  #noteApplied(revision: number): void {
    this.#applied = revision
    this.#isLost = false
    const lagMs = this.#lag.applied()
    this.#setStatus('level')
    this.#options.onApplied(revision, lagMs)
  }

  #failed(error: unknown): void {
    const code = codeOf(error)
    this.#isSure = false
    this.#lag.failed()
    this.#options.onFailure(isTimeout(error) ? 'timeout' : code)
    if (!(error instanceof Rejected)) {
      this.#options.onState(undefined)
    }
    this.#setStatus(code === 'table_full' ? 'full' : 'failing', { reason: messageOf(error), code })
  }

  #setStatus(status: Status, fault?: PushFault): void {
    const reason = fault?.reason
    const isNews = status !== this.#status || reason !== this.#fault?.reason
    this.#status = status
    this.#fault = fault
    if (isNews && reason !== undefined) {
      this.#options.log.error({ reason }, 'gateway is not in sync')
    } else if (isNews && status === 'level') {
      this.#options.log.info({ applied: this.#applied }, 'gateway is in sync')
    }
  }
}

/** Keeps one gateway's table level with the desired state, by the smallest deltas that do. */
import type { Code } from '../../contract/codes.js'
import { OWNER_KEY } from '../../contract/push.js'
import type { GatewayState } from '../../contract/push.js'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import { makeParts, makePartsForFull } from './delta.js'
import type { DeltaPart } from './delta.js'
import { grows } from './growth.js'
import { isTimeout, Rejected } from './gateway-client.js'
import type { GatewayClient } from './gateway-client.js'
import { TableMirror } from './table-mirror.js'
import type { TableSource } from '../table/table-source.js'
import type { UnitChange } from '../table/unit.js'

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
  /** An owner that gives no sign of life for so long is gone; default {@link DEAD_OWNER_MS}. */
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
/** A living owner gives a sign every two seconds. */
const DEAD_OWNER_MS = 10_000
/** Another writer's turn takes some milliseconds. */
const TURN_TRIES = 100
const TURN_MS = 10

/** A change of so many units at most is small. */
const MOST_SMALL = 20
const NONE: ReadonlySet<string> = new Set()

/** No other unit leads to one of these. */
function isHost(name: string): boolean {
  return name.startsWith('@')
}

function codeOf(error: unknown): Code {
  return error instanceof SluiceError ? error.code : 'internal'
}

export class Pusher {
  readonly #gateway: GatewayClient
  readonly #options: PushOptions
  readonly #mirror = new TableMirror()
  readonly #loop: Loop
  readonly #dirty = new Set<string>()
  #epoch = 0
  #applied = 0
  /**
   * The revision that the gateway shows. It is older than what is applied if nothing changed there.
   */
  #shown = 0
  /** Whether the mirror is known to be true. */
  #isSure = false
  /** The gateway was seen without what it had acknowledged: nginx was started anew. */
  #isLost = false
  #seenAtMs = 0
  #behindSinceMs: number | undefined
  /** The same of what is on its way. */
  #sendingSinceMs: number | undefined
  /** The last sign of life of the other owner, while there is one. */
  #sign = { text: '', seenAtMs: 0 }
  #status: Status = 'failing'
  #fault: PushFault | undefined

  constructor(gateway: GatewayClient, options: PushOptions) {
    this.#gateway = gateway
    this.#options = options
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
    const sinceMs = this.#sendingSinceMs ?? this.#behindSinceMs
    return sinceMs === undefined ? 0 : performance.now() - sinceMs
  }

  start(): void {
    this.#loop.start()
  }

  /** There is something new. */
  wake(): void {
    this.#behindSinceMs ??= performance.now()
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
  drop(names: string[] = this.#mirror.awaited()): void {
    this.#mirror.letGo(names).forEach((name) => this.#dirty.add(name))
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
    if (this.#checkFence(state)) {
      await this.#watchOwner(state)
      return
    }
    if (!source.ready()) {
      return
    }
    this.#take()
    const isOurs = this.#epoch !== 0 && state.epoch === this.#epoch
    // A replaced registry may count from the start again. A gateway goes back only with a new
    // owner.
    const goesBack = source.revision() < Math.max(this.#applied, state.revision)
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

  /** The names of what is new since the last time. */
  #take(): string[] {
    const names = [...this.#options.source.update()]
    names.forEach((name) => this.#dirty.add(name))
    return names
  }

  #checkFence(state: GatewayState): boolean {
    const isFenced = this.#epoch !== 0 && state.epoch > this.#epoch
    if (isFenced && !this.isFenced) {
      this.#isSure = false
      this.#options.onFailure('stale_epoch')
      const whose = `another controller (epoch ${state.epoch}) owns this gateway`
      const reason = `${whose}; this one (epoch ${this.#epoch}) has stopped pushing to it`
      this.#say('fenced', { reason, code: 'stale_epoch' })
    } else if (!isFenced && this.isFenced) {
      this.#say('failing')
    }
    return isFenced
  }

  /**
   * Takes the gateway again from an owner that has gone: one that was started by mistake, and
   * ended. Otherwise nobody would ever push to it again.
   */
  async #watchOwner(state: GatewayState): Promise<void> {
    const signs = await this.#gateway.read([OWNER_KEY]).catch(() => undefined)
    if (signs === undefined) {
      // Out of reach, or an nginx of before, whose owners give no sign.
      return
    }
    const text = `${state.epoch} ${signs[0] ?? ''}`
    const now = performance.now()
    if (text !== this.#sign.text) {
      this.#sign = { text, seenAtMs: now }
    }
    const { deadOwnerMs = DEAD_OWNER_MS, log, source } = this.#options
    if (now - this.#sign.seenAtMs < deadOwnerMs || !source.ready()) {
      return
    }
    log.warn({ epoch: state.epoch }, 'the other owner of the gateway is gone; it is taken again')
    this.#take()
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
    const units = this.#options.source.units()
    const stale = await this.#mirror.compare((keys) => this.#gateway.read(keys), units)
    const unknown = this.#mirror.keepUnknown(units)
    if (unknown.length > 0) {
      this.#options.onUnknown(unknown)
    }
    const isAwaited = (name: string) => this.#options.source.isAwaited?.(name) === true
    this.#mirror.keepAwaited(units, isAwaited)
    stale.forEach((name) => this.#dirty.add(name))
    await this.#send(state.revision, true)
    this.#options.log.info({ units: units.size, differed: stale.size }, 'gateway compared')
  }

  /** False when there was nothing to send. */
  async #pushNews(): Promise<boolean> {
    this.#take()
    const revision = this.#options.source.revision()
    if (this.#dirty.size === 0 && revision === this.#applied) {
      this.#behindSinceMs = undefined
      return false
    }
    if (revision < this.#applied) {
      this.#isSure = false
      this.#seenAtMs = 0
      return false
    }
    if (this.#options.isLazy === true && this.#dirty.size === 0) {
      this.#level(revision)
      return false
    }
    await this.#send(this.#shown, false)
    return true
  }

  async #send(from: number, whole: boolean): Promise<void> {
    const { source } = this.#options
    const to = source.revision()
    const changes = this.#mirror.changes(this.#dirty, source.units())
    this.#dirty.clear()
    const sinceMs = this.#takeSince()
    this.#sendingSinceMs = sinceMs
    const parts = this.#partsOf(changes)
    // Until all of it is acknowledged, nobody knows what is there.
    this.#isSure = false
    for (const part of parts.slice(0, -1)) {
      const startedMs = performance.now()
      await this.#sendPart(from, from, false, part)
      // The worker that wrote gets as much time for its requests.
      await pause(Math.min(5, performance.now() - startedMs))
      await this.#overtake(from, changes)
    }
    await this.#sendPart(from, to, whole, parts.at(-1))
    this.#mirror.accept(changes)
    this.#isSure = true
    this.#shown = to
    this.#level(to, sinceMs)
  }

  /**
   * What leads to nothing that is on its way waits for no backlog. That is what concerns units that
   * are there: a drain, an ejection, an instance that comes. While only hosts are on their way, to
   * which nothing leads, it is any small change.
   */
  async #overtake(from: number, onTheWay: UnitChange[]): Promise<void> {
    const older = new Set(this.#dirty)
    const news = this.#take().filter((name) => !older.has(name))
    if (this.#dirty.size === 0 || this.#status === 'full') {
      return
    }
    const units = this.#options.source.units()
    const waiting = new Set(onTheWay.map(({ name }) => name))
    const isSmall = news.length > 0 && news.length <= MOST_SMALL
    const free = isSmall && [...waiting, ...older].every(isHost) ? new Set(news) : NONE
    const isFree = (name: string) => free.has(name) && (units.has(name) || isHost(name))
    const isReady = (name: string) =>
      !waiting.has(name) && (isFree(name) || this.#mirror.isSettled(name, units))
    const names = [...this.#dirty].filter(isReady)
    const changes = this.#mirror.changes(names, units)
    names.forEach((name) => this.#dirty.delete(name))
    for (const part of changes.length === 0 ? [] : this.#partsOf(changes)) {
      await this.#sendPart(from, from, false, part)
    }
    this.#mirror.accept(changes)
  }

  #partsOf(changes: UnitChange[]): DeltaPart[] {
    const namesIn = (bucket: number) => this.#mirror.namesIn(bucket)
    if (this.#status === 'full') {
      return makePartsForFull(changes, namesIn)
    }
    const isGrowing = changes.some(grows)
    return makeParts(changes, namesIn).map((operations) => ({ operations, grows: isGrowing }))
  }

  /** Since when it has been behind. What comes from now on is not in what is about to be sent. */
  #takeSince(): number {
    const sinceMs = this.#sendingSinceMs ?? this.#behindSinceMs ?? performance.now()
    this.#behindSinceMs = undefined
    return sinceMs
  }

  #level(revision: number, sinceMs = this.#takeSince()): void {
    this.#applied = revision
    this.#sendingSinceMs = undefined
    this.#isLost = false
    this.#say('level')
    this.#options.onApplied(revision, performance.now() - sinceMs)
  }

  async #sendPart(from: number, to: number, whole: boolean, part?: DeltaPart): Promise<void> {
    const operations = part?.operations ?? []
    for (let tries = 1; ; tries++) {
      try {
        const delta = { epoch: this.#epoch, from, to, whole, operations }
        await this.#gateway.delta(delta, part?.grows === true)
        return
      } catch (error) {
        if (codeOf(error) !== 'conflict' || tries === TURN_TRIES) {
          throw error
        }
        await pause(TURN_MS)
      }
    }
  }

  #failed(error: unknown): void {
    const code = codeOf(error)
    this.#isSure = false
    this.#behindSinceMs = this.#sendingSinceMs ?? this.#behindSinceMs ?? performance.now()
    this.#sendingSinceMs = undefined
    this.#options.onFailure(isTimeout(error) ? 'timeout' : code)
    if (!(error instanceof Rejected)) {
      this.#options.onState(undefined)
    }
    this.#say(code === 'table_full' ? 'full' : 'failing', { reason: messageOf(error), code })
  }

  #say(status: Status, fault?: PushFault): void {
    const reason = fault?.reason
    const isNews = status !== this.#status || reason !== this.#fault?.reason
    this.#status = status
    this.#fault = fault
    if (isNews && reason !== undefined) {
      this.#options.log.error({ reason }, 'gateway is not level')
    } else if (isNews && status === 'level') {
      this.#options.log.info({ applied: this.#applied }, 'gateway is level')
    }
  }
}

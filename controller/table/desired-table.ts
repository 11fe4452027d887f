/** The table as it should be: the compiler and the pool, fed from the desired state. */
import { POOL_SHARDS } from '../../contract/servers.js'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff, pause } from '../../runtime/retry.js'
import type { GatewayTraits } from './compiled-upstream.js'
import { Compiler } from './compiler.js'
import type { ConditionsOf } from './upstream-cache.js'
import type { Desired } from '../state/desired.js'
import { PoolDns } from '../pool/dns-responder.js'
import type { DnsNames } from '../pool/dns-responder.js'
import type { CompiledUpstream } from './compiled-upstream.js'
import type { HostsPlan } from './host-plan.js'
import type { Seats } from '../pool/seats.js'
import type { TableSource } from './table-source.js'

/** What the table was compiled from, and to. */
export interface CompiledView {
  desired: Desired
  plan: HostsPlan
  compiled(upstream: string): CompiledUpstream | undefined
}

export interface DesiredTableOptions {
  domains: readonly string[]
  traits: GatewayTraits
  log: Logger
  /** Loopback port of the pool's responder; undefined: no pool. */
  poolPort: number | undefined
  /** The seats of stream{}, about which nginx asks the same responder. */
  seats: Seats
  /** Whether nginx has the pool in shards. */
  wide?: boolean
  /** Whether nginx's table is as the last update left this one. */
  isLevel(): boolean
  desired(): Desired
  /**
   * What this gateway found out about an upstream's instances. Where that changes, wake the pusher.
   */
  conditionsOf: ConditionsOf
  ready(): boolean
  /** Whether certificates may still come that nobody has read yet. */
  awaitsCertificates(): boolean
  /**
   * It was compiled, and is about to be sent. What this throws keeps it from being sent, and it is
   * called again with the next try.
   */
  onCompiled?(view: CompiledView): void
  /** Names beside the pool's that its responder answers. */
  names?: DnsNames
  /** The table should be another one now, although the desired state is not. */
  onChange(): void
}

/** nginx asks once a second; to be quicker than this gains nothing. */
const POOL_MS = 200
/** How often it is looked whether time has passed that nginx's connections need. */
const WAITING_MS = 1000
const RETRY = { firstMs: 200, mostMs: 5000 }
const NOTHING: ReadonlySet<string> = new Set()

export class DesiredTable implements TableSource {
  readonly #options: DesiredTableOptions
  readonly #compiler: Compiler
  readonly #pool: PoolDns | undefined
  readonly #stop = new AbortController()
  #listening: Promise<void> | undefined
  #poolTimer: NodeJS.Timeout | undefined
  #waitTimer: NodeJS.Timeout | undefined
  #poolCostMs = 0
  #revision = 0
  #isAssumed = false
  #isListening = true
  #isFed = false
  /** Names of units that changed, while what goes before them does not succeed. */
  readonly #kept = new Set<string>()

  constructor(options: DesiredTableOptions) {
    this.#options = options
    const { domains, traits, log, poolPort, wide, seats } = options
    this.#compiler = new Compiler(domains, log, traits)
    this.#pool =
      poolPort === undefined
        ? undefined
        : new PoolDns({
            port: poolPort,
            shards: wide === true ? POOL_SHARDS : 1,
            log,
            onPooled: () => options.onChange(),
            others: options.names === undefined ? [seats] : [seats, options.names],
          })
  }

  get isReady(): boolean {
    return this.#options.ready()
  }

  get revision(): number {
    return this.#revision
  }

  get units(): Compiler['units'] {
    return this.#compiler.units
  }

  isAwaited(name: string): boolean {
    return name.startsWith('^') && this.#options.awaitsCertificates()
  }

  setNamed(isNamed: boolean): void {
    this.#compiler.setNamed(isNamed)
  }

  get overruled(): number {
    return this.#compiler.overruled
  }

  /** How many peers nginx's pools surely have. */
  get pooled(): number {
    const pool = this.#pool
    return pool === undefined ? 0 : pool.pooled.size + pool.kept.size + pool.grpc.size
  }

  update(): Set<string> {
    const desired = this.#options.desired()
    const changed = this.#compile(desired)
    this.#kept.forEach((name) => changed.add(name))
    changed.forEach((name) => this.#kept.add(name))
    const compiled = (upstream: string) => this.#compiler.compiled(upstream)
    const { plan } = this.#compiler
    this.#options.onCompiled?.({ desired, plan, compiled })
    this.#kept.clear()
    return changed
  }

  #compile(desired: Desired): Set<string> {
    const { conditionsOf } = this.#options
    this.#revision = desired.revision
    const pool = this.#pool
    if (pool !== undefined && this.#isAssumed && this.isReady) {
      this.#isAssumed = false
      const changed = this.#compiler.update(desired, NOTHING, conditionsOf)
      pool.setMembers(this.#compiler.members().plain)
      if (this.#isListening) {
        pool.assume()
      }
      this.#compiler.update(desired, pool.pooled, conditionsOf).forEach((name) => changed.add(name))
      this.#feedPool()
      return changed
    }
    const changed = this.#compiler.update(desired, pool?.pooled ?? NOTHING, conditionsOf, pool)
    // Once is needed even if there is nothing: as long as nobody answers it, nginx logs an error
    // for every question.
    if (changed.size > 0 || (!this.#isFed && this.isReady)) {
      this.#isFed = true
      this.#feedPool()
    }
    return changed
  }

  start(): void {
    this.#listening ??= this.#listen()
  }

  /**
   * Whether nginx may not have a peer in its pool that is taken for one of it. A request to it
   * looks like a failed try then, though nobody was asked.
   */
  isDoubtful(sid: string): boolean {
    return this.#pool?.isAssumed(sid) === true
  }

  /** nginx was started anew: its pools are empty. */
  forgetPool(): void {
    this.#pool?.forget()
  }

  /** nginx ran before this process did. Its pool has what an earlier controller answered. */
  assumePool(): void {
    this.#isAssumed = this.#pool !== undefined
  }

  async close(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#poolTimer)
    clearTimeout(this.#waitTimer)
    await this.#listening
    await this.#pool?.close()
  }

  /**
   * Without the responder all peers are reached by address. That is slower, and right. So listening
   * is only tried again. No Loop: the first success ends it.
   */
  async #listen(): Promise<void> {
    const pool = this.#pool
    const backoff = new Backoff(RETRY)
    while (pool !== undefined && !this.#stop.signal.aborted) {
      try {
        const port = await pool.listen()
        if (!this.#isListening) {
          pool.doubt()
        }
        this.#isListening = true
        this.#options.seats.own(true)
        this.#options.log.info({ port }, "the pool's responder listens")
        return
      } catch (error) {
        await pool.close()
        this.#isListening = false
        pool.doubt()
        this.#options.seats.own(false)
        const { poolPort: port } = this.#options
        this.#options.log.error(
          { port, error: messageOf(error) },
          "the pool's responder cannot listen",
        )
        await pause(backoff.nextMs(), this.#stop.signal)
      }
    }
  }

  #feedPool(): void {
    const pool = this.#pool
    if (pool === undefined || this.#poolTimer !== undefined) {
      return
    }
    const waitMs = Math.max(POOL_MS, 10 * this.#poolCostMs)
    this.#poolTimer = setTimeout(() => {
      this.#poolTimer = undefined
      const startedMs = performance.now()
      const members = this.#compiler.members()
      pool.setMembers(members.plain)
      pool.setGrpc(members.grpc)
      pool.setKept(members.kept, this.#options.isLevel())
      this.#poolCostMs = performance.now() - startedMs
      clearTimeout(this.#waitTimer)
      this.#waitTimer = pool.isWaiting ? setTimeout(() => this.#feedPool(), WAITING_MS) : undefined
    }, waitMs)
  }
}

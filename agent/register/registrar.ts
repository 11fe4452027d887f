/** Keeps the registry equal to what this agent wants there, under one lease. */
import type { Registry, RegistryOperation } from '../../registry/registry.js'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff, withTimeLimit } from '../../runtime/retry.js'
import { Doorbell } from '../../runtime/doorbell.js'
import { HeldLease } from './held-lease.js'
import { routePrefix } from '../plan/labels.js'
import type { LeaseMemo } from './lease-memo.js'
import { isOwn, reconcile } from './reconcile.js'
import type { Registered } from './reconcile.js'
import { isRefusal, Refusals } from './refusals.js'

export interface RegistrarOptions {
  registry: Registry
  agent: string
  ttlMs: number
  memo: LeaseMemo
  log: Logger
  /** Milliseconds after which the registry is read again even if nothing seems to have changed. */
  resyncMs?: number
}

const RESYNC_MS = 60_000
/** For each of the two steps of stopping: whoever stops us waits 5 s in all. */
const STOP_STEP_MS = 1500

export class Registrar {
  readonly #options: RegistrarOptions
  readonly #heldLease: HeldLease
  readonly #refusals = new Refusals()
  readonly #doorbell = new Doorbell()
  readonly #backoff = new Backoff({ firstMs: 100, mostMs: 5000 })
  /** Undefined: not known yet; what is registered stays as it is. */
  #wanted: ReadonlyMap<string, string> | undefined
  #registered = new Map<string, Registered>()
  #foreign = new Set<string>()
  /** `all`: everybody's instances must be read; `ours`: those of the upstreams that we are in. */
  #mustList: 'all' | 'ours' | undefined = 'all'
  #stopped = false
  #away = false
  #loggedTaken = ''
  #running: Promise<void> | undefined

  constructor(options: RegistrarOptions) {
    const { registry, ttlMs, memo, log } = options
    this.#options = options
    this.#heldLease = new HeldLease({
      registry,
      ttlMs,
      memo,
      log,
      onLost: () => this.#doorbell.ring(),
    })
  }

  /** Acquires the lease; resolves with this agent's own records (key → value) in the registry. */
  async start(): Promise<ReadonlyMap<string, string>> {
    return new Promise((resolve) => {
      this.#running = this.#run(resolve)
    })
  }

  /** From now on the registry should hold exactly these entries of ours. */
  want(entries: ReadonlyMap<string, string>): void {
    this.#wanted = entries
    this.#doorbell.ring()
  }

  /** Ends the work and releases the lease. The records stay until it ends, for the next life. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#doorbell.ring()
    await this.#inTime('work not finished', this.#running ?? Promise.resolve())
    // A lease that could not be released runs out by itself.
    await this.#inTime('lease not released', this.#heldLease.release())
  }

  /** Never rejects: the process ends next, whatever comes of it. */
  async #inTime(otherwise: string, work: Promise<void>): Promise<void> {
    try {
      await withTimeLimit(
        STOP_STEP_MS,
        work,
        () => new Error(`not withTimeLimit ${STOP_STEP_MS} ms`),
      )
    } catch (error) {
      this.#options.log.warn({ reason: messageOf(error) }, otherwise)
    }
  }

  async #run(onOwn: (own: ReadonlyMap<string, string>) => void): Promise<void> {
    let begun = false
    while (!this.#stopped) {
      try {
        await this.#level()
        this.#logBack()
        if (!begun) {
          begun = true
          onOwn(this.#own())
        }
        if (await this.#doorbell.wait(this.#options.resyncMs ?? RESYNC_MS)) {
          this.#mustList = 'ours'
        }
      } catch (error) {
        await this.#afterFailure(error)
      }
    }
  }

  #own(): Map<string, string> {
    return new Map([...this.#registered].map(([key, { value }]) => [key, value]))
  }

  /** Afterwards the registry holds what was wanted at the beginning. Rejects when it does not. */
  async #level(): Promise<void> {
    const lease = this.#heldLease.lease ?? (await this.#acquireLease())
    if (this.#mustList !== undefined) {
      await this.#list(this.#mustList)
    }
    const registered = this.#registered
    const wanted = this.#refusals.leaveOut(this.#wanted ?? this.#own(), registered)
    const { commits, taken } = reconcile(wanted, registered, this.#foreign, lease.id)
    this.#logTaken(taken)
    for (const operations of commits) {
      await this.#commit(operations)
    }
    await this.#heldLease.settle(lease)
  }

  async #acquireLease() {
    const lease = await this.#heldLease.acquire()
    // What is known to be bound is bound to the lease before.
    this.#registered.clear()
    this.#mustList = 'all'
    return lease
  }

  #prefixes(which: 'all' | 'ours'): string[] {
    const { agent } = this.#options
    const ours = [...(this.#wanted?.keys() ?? []), ...this.#registered.keys()]
      .filter((key) => key.startsWith('instances/'))
      .map((key) => key.slice(0, key.lastIndexOf('/') + 1))
    const instances = which === 'all' ? ['instances/'] : [...new Set(ours)]
    return [...instances, `hosts/${agent}`, `routes/${routePrefix(agent)}`]
  }

  async #list(which: 'all' | 'ours'): Promise<void> {
    const { registry, agent } = this.#options
    const prefixes = this.#prefixes(which)
    const listings = await Promise.all(prefixes.map((prefix) => registry.list(prefix)))
    const registered = new Map<string, Registered>()
    const foreign = new Set<string>()
    for (const entry of listings.flatMap(({ entries }) => entries)) {
      if (isOwn(entry, agent)) {
        const bound = this.#heldLease.settled || (this.#registered.get(entry.key)?.bound ?? false)
        registered.set(entry.key, { value: entry.value, bound })
      } else {
        foreign.add(entry.key)
      }
    }
    this.#registered = registered
    this.#foreign = foreign
    this.#mustList = undefined
  }

  /** What the registry refuses is found by halves, so that the others go on. */
  async #commit(operations: RegistryOperation[]): Promise<void> {
    try {
      await this.#commitAll(operations)
    } catch (error) {
      const [first] = operations
      if (!isRefusal(error) || first === undefined) {
        throw error
      }
      // A refusal is certain: nothing happened.
      this.#mustList = undefined
      if (operations.length === 1) {
        this.#refusals.add(first)
        const fields = { key: first.key, code: error.code, reason: error.message }
        this.#options.log.warn(fields, 'the registry refuses a record; the others go on')
        return
      }
      const half = operations.length >> 1
      await this.#commit(operations.slice(0, half))
      await this.#commit(operations.slice(half))
    }
  }

  async #commitAll(operations: RegistryOperation[]): Promise<void> {
    // Until it is known to have happened, what stands there is not known.
    this.#mustList = 'all'
    await this.#options.registry.commit(operations)
    for (const operation of operations) {
      if (operation.type === 'put') {
        this.#registered.set(operation.key, { value: operation.value, bound: true })
      } else {
        this.#registered.delete(operation.key)
      }
    }
    this.#mustList = undefined
  }

  #logTaken(taken: string[]): void {
    const text = taken.join(' ')
    if (text !== this.#loggedTaken && text !== '') {
      this.#options.log.warn({ keys: taken }, 'registered by somebody else already; left alone')
    }
    this.#loggedTaken = text
  }

  #logBack(): void {
    this.#backoff.reset()
    if (this.#away) {
      this.#away = false
      this.#options.log.info({}, 'registry back')
    }
  }

  async #afterFailure(error: unknown): Promise<void> {
    const { log } = this.#options
    const code = error instanceof SluiceError ? error.code : 'internal'
    const fields = { code, reason: messageOf(error) }
    if (code === 'not_found') {
      // A lease that is gone without its `lost` having been heard yet.
      this.#heldLease.drop()
    }
    if (code === 'changed') {
      // Somebody else was quicker; the listing shows who.
      log.debug(fields, 'registry changed meanwhile')
    } else if (this.#away) {
      log.debug(fields, 'registry still not level')
    } else {
      this.#away = true
      log.warn(fields, 'registry not level; trying on')
    }
    this.#mustList = 'all'
    await this.#doorbell.sleep(this.#backoff.nextMs(), () => this.#stopped)
  }
}

/**
 * Keeps the registry equal to what this agent wants there, under one lease. Not all that is wanted
 * can be registered:
 * - refused: the registry does not take the record. Its last good value stays.
 * - foreign: somebody else has a record under this key. Such a key that is wanted is `taken`.
 * - withheld: a rival, another agent's route or upstream, has the host, and has the better claim.
 */
import type { Registry, RegistryOperation } from '../../registry/registry.js'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import type { Doorbell } from '../../runtime/doorbell.js'
import { Loop } from '../../runtime/loop.js'
import { withTimeLimit } from '../../runtime/retry.js'
import { ContestLog, contestedClaims } from './contest-log.js'
import { HeldLease } from './held-lease.js'
import { refuseImpostor } from './impostor.js'
import { contest } from './route-contest.js'
import type { UnnamedUpstreams } from './route-contest.js'
import type { Contested } from '../plan/host-claims.js'
import { readRoute } from '../plan/route-claim.js'
import { readAgentRecords } from './agent-records.js'
import type { Rivals } from './agent-records.js'
import type { AgentRecord } from '../../contract/record/agent-record.js'
import type { LeaseMemo } from './lease-memo.js'
import { reconcile } from './reconcile.js'
import type { Registered } from './reconcile.js'
import { FirstSettings } from './first-settings.js'
import type { SettingsMemo } from './settings-memo.js'
import { SourceSettings } from './source-settings.js'
import type { WantedSettings } from './source-settings.js'
import { RefusedWrites, commitByHalves, isRefusal } from './refused-writes.js'

export interface RegistrarOptions {
  registry: Registry
  agent: string
  /** By which another machine with the same id is recognized. Absent: ids are taken on trust. */
  identity?: Pick<AgentRecord, 'owner' | 'boot'>
  ttlMs: number
  memo: LeaseMemo
  /** Absent: what this life puts as an upstream's settings, the next one leaves alone. */
  settingsMemo?: SettingsMemo | undefined
  log: Logger
  /** Other agents have what these routes claim; called when that changes. */
  onContested?: (contested: Contested[]) => void
  /** Instances of ours that somebody else took out; they are put again while they are wanted. */
  onRemoved?: (keys: string[]) => void
  /** Milliseconds after which the registry is read again, whatever happened in between. */
  resyncMs?: number
}

interface Wish {
  /** Registry key → value. */
  entries: ReadonlyMap<string, string>
  unnamed?: UnnamedUpstreams
  /** Registry key → value of upstreams' settings that labels ask for. */
  settings?: ReadonlyMap<string, string>
  ofSources?: WantedSettings
}

const NONE_KNOWN: WantedSettings = { settings: new Map(), isWhole: false }
const RESYNC_MS = 60_000
/** The same, while something wanted is another agent's. */
const CONTESTED_RESYNC_MS = 1000
/** For each of the two steps of stopping: whoever stops us waits 5 s in all. */
const STOP_STEP_MS = 1500

export class Registrar {
  readonly #options: RegistrarOptions
  readonly #heldLease: HeldLease
  readonly #refusals = new RefusedWrites()
  readonly #settings: FirstSettings
  readonly #ofSources: SourceSettings
  readonly #contestLog: ContestLog
  readonly #loop = new Loop({
    round: (loop) => this.#round(loop),
    onError: (error) => this.#afterFailure(error),
    retry: { firstMs: 100, mostMs: 5000 },
  })
  /** Undefined: not known yet; what is registered stays as it is. */
  #wanted: Wish | undefined
  #registered = new Map<string, Registered>()
  #foreign: ReadonlySet<string> = new Set()
  #rivals: Rivals = { routes: [], upstreams: new Set(), up: new Set() }
  /** `all`: everybody's instances must be read; `ours`: those of the upstreams that we are in. */
  #mustList: 'all' | 'ours' | undefined = 'all'
  #listedAtMs = 0
  #isContested = false
  #away = false
  /** Until it was called. */
  #onOwn: ((own: ReadonlyMap<string, string>) => void) | undefined

  constructor(options: RegistrarOptions) {
    const { registry, ttlMs, memo, log } = options
    const onLost = () => this.#loop.bell.ring()
    this.#options = options
    this.#settings = new FirstSettings(registry, log)
    this.#ofSources = new SourceSettings(registry, options.settingsMemo, log)
    this.#contestLog = new ContestLog(log)
    this.#heldLease = new HeldLease({ registry, ttlMs, memo, log, onLost })
  }

  /** Acquires the lease; resolves with this agent's own records (key → value) in the registry. */
  async start(): Promise<ReadonlyMap<string, string>> {
    return new Promise((resolve) => {
      this.#onOwn = resolve
      this.#loop.start()
    })
  }

  /** From now on the registry should hold exactly these entries of ours. */
  want(
    entries: ReadonlyMap<string, string>,
    unnamed: UnnamedUpstreams = new Map(),
    settings: ReadonlyMap<string, string> = new Map(),
    ofSources: WantedSettings = NONE_KNOWN,
  ): void {
    this.#wanted = { entries, unnamed, settings, ofSources }
    this.#loop.bell.ring()
  }

  /** Ends the work and releases the lease. The records stay until it ends, for the next life. */
  async stop(): Promise<void> {
    await this.#inTime('work not finished', this.#loop.close())
    // A lease that could not be released runs out by itself.
    await this.#inTime('lease not released', this.#heldLease.release())
  }

  /** Never rejects: the process ends next, whatever comes of it. */
  async #inTime(otherwise: string, work: Promise<void>): Promise<void> {
    const late = () => new Error(`not within ${STOP_STEP_MS} ms`)
    try {
      await withTimeLimit(STOP_STEP_MS, work, late)
    } catch (error) {
      this.#options.log.warn({ reason: messageOf(error) }, otherwise)
    }
  }

  async #round({ bell }: Loop): Promise<void> {
    await this.#reconcile()
    this.#logBack()
    this.#onOwn?.(this.#own())
    this.#onOwn = undefined
    await this.#untilDue(bell)
  }

  /** Measured from the last reading: whatever rings in between does not put the next one off. */
  async #untilDue(bell: Doorbell): Promise<void> {
    const resyncMs = this.#options.resyncMs ?? RESYNC_MS
    const everyMs = this.#isContested ? Math.min(CONTESTED_RESYNC_MS, resyncMs) : resyncMs
    const dueAtMs = this.#listedAtMs + everyMs
    await bell.wait(Math.max(0, dueAtMs - performance.now()))
    if (performance.now() >= dueAtMs) {
      this.#mustList ??= 'ours'
    }
  }

  #own(): Map<string, string> {
    return new Map([...this.#registered].map(([key, { value }]) => [key, value]))
  }

  /** Afterwards the registry holds what was wanted at the beginning. Rejects when it does not. */
  async #reconcile(): Promise<void> {
    const lease = this.#heldLease.lease ?? (await this.#acquireLease())
    const wish = this.#wanted
    const isDue = this.#mustList !== undefined
    if (this.#mustList !== undefined || this.#isNews(wish)) {
      await this.#list(this.#mustList ?? 'ours')
    }
    const allowed = this.#refusals.leaveOut(wish?.entries ?? this.#own(), this.#registered)
    const { wanted, withheld } = await this.#contest(allowed, wish?.unnamed)
    const { commits, taken } = reconcile(wanted, this.#registered, this.#foreign, lease.id)
    this.#isContested ||= taken.length > 0
    if (this.#contestLog.write(taken, withheld)) {
      this.#options.onContested?.(contestedClaims(withheld, this.#wanted?.entries))
    }
    for (const operations of commits) {
      await this.#commit(operations)
    }
    await this.#heldLease.settle(lease)
    const { settings = new Map<string, string>(), ofSources = NONE_KNOWN } = wish ?? {}
    await this.#settings.putMissing(settings)
    await this.#ofSources.keep(ofSources, settings, isDue)
  }

  /** Whether something is wanted for the first time that another agent may have already. */
  #isNews(wish: Wish | undefined): boolean {
    return [...(wish?.entries.keys() ?? [])].some((key) => {
      const isRivalrous = key.startsWith('routes/') || wish?.unnamed?.has(key.split('/')[1] ?? '')
      return isRivalrous === true && !this.#registered.has(key)
    })
  }

  /** What of `wanted` is not withheld, once what is to be taken over is. */
  async #contest(wanted: Map<string, string>, unnamed: UnnamedUpstreams = new Map()) {
    const registered = this.#registered
    const found = contest({ wanted, registered, rivals: this.#rivals, unnamed })
    this.#isContested = found.withheld.size > 0
    for (const { operations } of found.takeovers) {
      this.#options.log.info({ operations }, 'taking over a host whose upstream is not up')
      await this.#commit(operations)
      // What the others have is known anew only by reading it.
      this.#isContested = true
    }
    return found
  }

  async #acquireLease() {
    const lease = await this.#heldLease.acquire()
    // What is known to be bound is bound to the lease before.
    this.#registered.clear()
    this.#mustList = 'all'
    return lease
  }

  async #list(which: 'all' | 'ours'): Promise<void> {
    const { registry, agent, identity } = this.#options
    const wanted = this.#wanted?.entries ?? new Map<string, string>()
    const ours = [...wanted.keys(), ...this.#registered.keys()]
      .filter((key) => key.startsWith('instances/'))
      .map((key) => key.split('/')[1] ?? '')
    const routes = [...wanted].filter(([key]) => key.startsWith('routes/'))
    const claims = new Set(routes.map(([, value]) => readRoute(value)?.claim ?? ''))
    const upstreams = which === 'all' ? undefined : new Set(ours)
    const view = await readAgentRecords(registry, agent, upstreams, claims)
    refuseImpostor(agent, identity, view.machine)
    this.#noteRemoved(new Set(view.own.map(({ key }) => key)))
    const registered = new Map<string, Registered>()
    for (const { key, value, revision } of view.own) {
      const bound = this.#heldLease.settled || (this.#registered.get(key)?.bound ?? false)
      registered.set(key, { value, bound, revision })
    }
    this.#registered = registered
    this.#foreign = view.foreign
    this.#rivals = view.rivals
    this.#mustList = undefined
    this.#listedAtMs = performance.now()
  }

  /** Only while our lease lives, which the agent's own record shows: its end removes all. */
  #noteRemoved(there: ReadonlySet<string>): void {
    const { agent, onRemoved } = this.#options
    const removed = [...this.#registered].filter(
      ([key, { bound }]) => bound && key.startsWith('instances/') && !there.has(key),
    )
    if (removed.length > 0 && there.has(`hosts/${agent}`)) {
      onRemoved?.(removed.map(([key]) => key))
    }
  }

  /** One that the registry refuses must not keep the others away. */
  async #commit(operations: RegistryOperation[]): Promise<void> {
    const commit = (part: RegistryOperation[]) => this.#commitAll(part)
    await commitByHalves(operations, commit, (operation, { code, message }) => {
      this.#refusals.add(operation)
      const fields = { key: operation.key, code, reason: message }
      this.#options.log.warn(fields, 'the registry refuses a record; the others go on')
    })
  }

  async #commitAll(operations: RegistryOperation[]): Promise<void> {
    // Until it is known to have happened, what stands there is not known.
    this.#mustList = 'all'
    const { revision } = await this.#options.registry.commit(operations).catch((error: unknown) => {
      if (isRefusal(error)) {
        // Nothing happened.
        this.#mustList = undefined
      }
      throw error
    })
    for (const operation of operations) {
      if (operation.type === 'put') {
        this.#registered.set(operation.key, { value: operation.value, bound: true, revision })
      } else {
        this.#registered.delete(operation.key)
      }
    }
    this.#mustList = undefined
  }

  #logBack(): void {
    if (this.#away) {
      this.#away = false
      this.#options.log.info({}, 'registry back')
    }
  }

  #afterFailure(error: unknown): void {
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
      log.debug(fields, 'registration still fails')
    } else {
      this.#away = true
      log[code === 'conflict' ? 'error' : 'warn'](fields, 'registration failed; trying again')
    }
    this.#mustList = 'all'
  }
}

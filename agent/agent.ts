/** Sources → plan → registry: what an agent follows and registers, and remembers in between. */
import type { Registry } from '../registry/registry.js'
import type { AgentProblem } from '../contract/record/agent-record.js'
import type { Logger } from '../runtime/logger.js'
import { untilAborted } from '../runtime/retry.js'
import type { ContainerEngine } from './engine/engine.js'
import { LingeringRoutes } from './plan/lingering-routes.js'
import type { Contested } from './plan/host-claims.js'
import type { LeaseMemo } from './register/lease-memo.js'
import type { AgentMachine } from './plan/instance-address.js'
import { agentEntry } from './plan/plan.js'
import { PlanLog } from './plan/plan-log.js'
import { listProblems } from './plan/problems.js'
import type { SettingsMemo } from './register/settings-memo.js'
import { Registrar } from './register/registrar.js'
import { DockerContainers } from './sources/docker/docker-containers.js'
import type { DockerPlan } from './sources/docker/docker-containers.js'
import { entriesBySource, ownerOf } from './sources/entry-owner.js'
import { FollowedSource } from './sources/followed-source.js'
import type { Source } from './sources/source.js'
import { uniteSources } from './sources/union.js'
import type { SourcePart } from './sources/union.js'

export interface AgentOptions {
  registry: Registry
  machine: AgentMachine
  /** Makes a client of the container engine, for each connection anew. Absent: no containers. */
  open?: (() => ContainerEngine) | undefined
  /** Whether an operator said where the engine is: then its absence is worth a word. */
  isEngineNamed?: boolean
  /** What is followed besides the engine. Each has a name of its own. */
  sources?: readonly Source[]
  /** Where the lease's id is stored between two lives. */
  memo: LeaseMemo
  /** Where it is stored what settings were put last. */
  settingsMemo?: SettingsMemo
  ttlMs: number
  log: Logger
  /** Milliseconds between full comparisons with the engine, and with the registry. */
  engineResyncMs?: number
  registryResyncMs?: number
  /** Milliseconds that a route outlives the last instance of its upstream. */
  routesLingerMs?: number
  /** Milliseconds for which a source that loses most at once is not believed. */
  holdMs?: number
}

/** Longer than a container takes to be made anew, with an image that is there already. */
const ROUTES_LINGER_MS = 60_000

/** The containers alone are followed. */
const NONE: ReturnType<typeof entriesBySource> = new Map()

export class Agent {
  readonly #options: AgentOptions
  readonly #registrar: Registrar
  readonly #docker: DockerContainers | undefined
  readonly #sources: FollowedSource[]
  readonly #lingering: LingeringRoutes
  readonly #planLog: PlanLog
  /** Claims that entries of other agents have. */
  #contested: Contested[] = []
  #problems: AgentProblem[] = []
  #replanning: NodeJS.Timeout | undefined
  #recalled = false
  #entries: ReadonlyMap<string, string> = new Map()

  constructor(options: AgentOptions) {
    const { registry, machine, ttlMs, memo, log, registryResyncMs: resyncMs } = options
    const { open, sources = [], holdMs } = options
    const agent = machine.agent
    const onChange = () => this.#replan()
    this.#options = options
    this.#planLog = new PlanLog(log)
    this.#lingering = new LingeringRoutes(options.routesLingerMs ?? ROUTES_LINGER_MS)
    this.#registrar = new Registrar({
      ...{ registry, agent, ttlMs, memo, log, settingsMemo: options.settingsMemo },
      ...(machine.presence !== undefined && { identity: machine.presence }),
      ...(resyncMs !== undefined && { resyncMs }),
      onRemoved: (keys) => this.#forgetRemoved(keys),
      onContested: (contested) => {
        this.#contested = contested
        this.#replan()
      },
    })
    const engine = { machine, log, resyncMs: options.engineResyncMs, onChange }
    this.#docker = open && new DockerContainers({ ...engine, open })
    this.#sources = sources.map((source) => new FollowedSource({ source, log, holdMs, onChange }))
  }

  /** Until `signal` aborts. What is registered stays for the next life, until the lease ends. */
  async run(signal: AbortSignal): Promise<void> {
    // Resolves in its own time, or never when the registry stays away; it does not reject.
    void this.#registrar.start().then((own) => this.#recall(own))
    this.#sources.forEach((source) => void source.run(signal))
    try {
      // The follower may be waiting for the engine, and nobody needs its answer any more.
      await Promise.race([this.#docker?.run(signal) ?? untilAborted(signal), untilAborted(signal)])
    } finally {
      clearTimeout(this.#replanning)
      this.#docker?.stop()
      await this.#registrar.stop()
    }
  }

  /** An earlier life's records say what it knew, so a restart of the agent changes no state. */
  #recall(own: ReadonlyMap<string, string>): void {
    this.#docker?.recall(own)
    this.#recalled = true
    this.#entries = own
    this.#replan()
  }

  /** Somebody removed records of ours. Where their source does not list them, they are gone. */
  #forgetRemoved(keys: string[]): void {
    this.#docker?.forget(keys.map((key) => this.#entries.get(key)))
    const isOfSource = (key: string) => {
      const owner = ownerOf(key, this.#entries.get(key) ?? '', this.#options.machine.agent)
      return this.#sources.some(({ name }) => name === owner)
    }
    const gone = new Set(keys.filter(isOfSource))
    this.#entries = new Map([...this.#entries].filter(([key]) => !gone.has(key)))
    this.#replan()
  }

  #replan(): void {
    // Before all is known, nothing is removed: it may only not have been seen yet.
    if (!this.#recalled) {
      return
    }
    const docker = this.#docker?.plan(this.#entries)
    if (docker === undefined && !this.#sources.some(({ isKnown }) => isKnown)) {
      this.#reportAway()
      return
    }
    const { union, isWhole } = this.#unite(docker)
    const contested = [...(docker?.plan.contested ?? []), ...union.contested, ...this.#contested]
    const { targets = [] } = docker?.plan ?? {}
    const found = { contested, targets, unreached: docker?.unreached ?? new Map() }
    this.#problems = listProblems(found, this.#problems)
    const { entries } = union
    // Its problems were not known when the plan was made.
    entries.set(...agentEntry(this.#machine(), docker?.plan.containers ?? 0))
    const lingerMs = this.#lingering.keep(entries, this.#entries, Date.now())
    const dueMs = this.#sources.map((source) => source.dueMs)
    this.#schedule(...(docker?.dueMs ?? []), ...dueMs, lingerMs)
    this.#planLog.write({ entries, reports: docker?.plan.reports ?? [] }, this.#entries)
    this.#entries = entries
    this.#registrar.want(entries, docker?.plan.unnamed, union.settings, {
      settings: union.ofSources,
      isWhole,
    })
  }

  #unite(docker: DockerPlan | undefined) {
    const isAwaited = this.#docker !== undefined && docker === undefined
    const { agent } = this.#options.machine
    const isOne = !isAwaited && this.#sources.length === 0
    // To tell whose they are, each has to be read.
    const grouped = (entries: ReadonlyMap<string, string>) =>
      isOne ? NONE : entriesBySource(entries, agent)
    const before = grouped(this.#entries)
    const held = (isAwaited ? before.get('docker') : undefined) ?? new Map<string, string>()
    const containers = {
      entries: docker?.plan.entries ?? held,
      settings: docker?.plan.settings ?? new Map<string, string>(),
    }
    const parts = this.#sources.map((source) => source.part(before.get(source.name)))
    const union = uniteSources(containers, parts, this.#entries)
    const now = grouped(union.entries)
    this.#sources.forEach((source) => source.settle(union, now.get(source.name)))
    // What is refused may be what gave an upstream its settings before.
    const isRead = ({ level, held }: SourcePart) => level?.refused.length === 0 && held.size === 0
    return { union, isWhole: !isAwaited && parts.every(isRead) }
  }

  /** This machine, with what is known of its sources. */
  #machine(): AgentMachine {
    const { machine, isEngineNamed } = this.#options
    const isMissed = isEngineNamed === true || this.#docker?.hasListed === true
    const engine = isMissed ? this.#docker?.away : undefined
    const problems = this.#problems
    const sources = this.#sources.map((source) => source.view())
    const news = {
      ...(engine && { engine }),
      ...(problems.length > 0 && { problems }),
      ...(sources.length > 0 && { sources }),
    }
    return { ...machine, presence: { ...machine.presence, ...news } }
  }

  /** An engine that never answered: what is registered stays, and the registry says so. */
  #reportAway(): void {
    if (this.#docker?.away !== undefined && this.#options.isEngineNamed === true) {
      this.#registrar.want(new Map([...this.#entries, agentEntry(this.#machine(), 0)]))
    }
  }

  /** The next plan that time alone asks for, in so many milliseconds. */
  #schedule(...delaysMs: Array<number | undefined>): void {
    clearTimeout(this.#replanning)
    const known = delaysMs.filter((ms) => ms !== undefined)
    if (known.length > 0) {
      this.#replanning = setTimeout(() => this.#replan(), Math.min(...known)).unref()
    }
  }
}

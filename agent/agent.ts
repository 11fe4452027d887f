/** Containers → plan → registry: an agent's three loops, and what they remember between them. */
import type { Registry } from '../registry/registry.js'
import type { AgentProblem, AgentRecord } from '../contract/record/agent-record.js'
import type { Logger } from '../runtime/logger.js'
import { pause } from '../runtime/retry.js'
import { runOf } from './engine/container.js'
import type { Container } from './engine/container.js'
import type { ContainerEngine } from './engine/engine.js'
import { shownNames } from './engine/doubt.js'
import { Follower } from './engine/follower.js'
import { FormerContainers, containerIdsOf } from './plan/former-containers.js'
import { LingeringRoutes } from './plan/lingering-routes.js'
import type { Contested } from './plan/host-claims.js'
import type { LeaseMemo } from './register/lease-memo.js'
import type { AgentMachine } from './plan/instance-address.js'
import { KnownPorts } from './plan/known-ports.js'
import { agentEntry, makePlan } from './plan/plan.js'
import type { Observations, RegistrationPlan } from './plan/plan.js'
import { PlanLog } from './plan/plan-log.js'
import { PortProber } from './plan/port-prober.js'
import type { Unreached } from './plan/port-prober.js'
import type { ProbeTarget } from './plan/probe-target.js'
import { instancesOf, recall } from './plan/recall.js'
import { StoppingContainers } from './plan/stopping-containers.js'
import { listProblems, unreachedText } from './plan/problems.js'
import { Registrar } from './register/registrar.js'

export interface AgentOptions {
  registry: Registry
  machine: AgentMachine
  /** Makes a client of the container engine, for each connection anew. */
  open: () => ContainerEngine
  /** Whether an operator said where the engine is: then its absence is worth a word. */
  isEngineNamed?: boolean
  /** Where the lease's id is stored between two lives. */
  memo: LeaseMemo
  ttlMs: number
  log: Logger
  /** Milliseconds between full comparisons with the engine, and with the registry. */
  engineResyncMs?: number
  registryResyncMs?: number
  /** Milliseconds that a route outlives the last container of its upstream. */
  routesLingerMs?: number
}

/** Longer than a container takes to be made anew, with an image that is there already. */
const ROUTES_LINGER_MS = 60_000

const DAY_MS = 86_400_000
/** How often containers are looked at that an earlier life registered, and nobody lists. */
const FORMER_MS = 1000

/** Resolves when `signal` aborts, and keeps the process alive until then. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(DAY_MS, signal)
  }
}

export class Agent {
  readonly #options: AgentOptions
  readonly #registrar: Registrar
  readonly #prober: PortProber
  readonly #lingering: LingeringRoutes
  readonly #stopping: StoppingContainers
  readonly #planLog: PlanLog
  readonly #ports = new KnownPorts()
  /** Claims that containers of other agents have. */
  #contested: Contested[] = []
  #problems: AgentProblem[] = []
  #containers: ReadonlyMap<string, Container> | undefined
  #replanning: NodeJS.Timeout | undefined
  #recalled = false
  #engineAway: AgentRecord['engine']
  #follower: Follower | undefined
  #former = new FormerContainers(new Map())
  /** That the engine lists nothing of what an earlier life registered. */
  #formerDoubt: AgentRecord['engine']
  #entries: ReadonlyMap<string, string> = new Map()

  constructor(options: AgentOptions) {
    const { registry, machine, ttlMs, memo, log, registryResyncMs: resyncMs } = options
    const agent = machine.agent
    this.#options = options
    this.#stopping = new StoppingContainers(log)
    this.#planLog = new PlanLog(log)
    this.#lingering = new LingeringRoutes(options.routesLingerMs ?? ROUTES_LINGER_MS)
    this.#registrar = new Registrar({
      ...{ registry, agent, ttlMs, memo, log },
      ...(machine.presence !== undefined && { identity: machine.presence }),
      ...(resyncMs !== undefined && { resyncMs }),
      onRemoved: (keys) => this.#forgetRemoved(keys),
      onContested: (contested) => {
        this.#contested = contested
        this.#replan()
      },
    })
    this.#prober = new PortProber({
      onAnswer: (target) => {
        this.#ports.noteAnswer(target)
        this.#replan()
      },
      onUnreached: (target, what) => this.#noteUnreached(target, what),
      onReached: (target) => this.#ports.noteReached(target),
    })
  }

  /** Until `signal` aborts. What is registered stays for the next life, until the lease ends. */
  async run(signal: AbortSignal): Promise<void> {
    const { open, log, engineResyncMs: resyncMs } = this.#options
    const follower = new Follower({
      open,
      log,
      onContainers: (containers) => {
        this.#containers = containers
        this.#replan()
      },
      onEngine: (reason, isDoubted) => this.#noteEngine(reason, isDoubted),
      onStopSignal: (container) => this.#stopping.add(runOf(container)),
      ...(resyncMs !== undefined && { resyncMs }),
    })
    this.#follower = follower
    // Resolves in its own time, or never when the registry stays away; it does not reject.
    void this.#registrar.start().then((own) => this.#recall(own))
    try {
      // The follower may be waiting for the engine, and nobody needs its answer any more.
      await Promise.race([follower.run(signal), untilAborted(signal)])
    } finally {
      clearTimeout(this.#replanning)
      this.#prober.stop()
      await this.#registrar.stop()
    }
  }

  /** An earlier life's records say what it knew, so a restart of the agent changes no state. */
  #recall(own: ReadonlyMap<string, string>): void {
    const { signalled, answered, doubtful } = recall(instancesOf(own))
    signalled.forEach((run) => this.#stopping.add(run))
    this.#ports.recall(answered, doubtful)
    this.#recalled = true
    this.#entries = own
    this.#former = new FormerContainers(own)
    this.#replan()
  }

  /** Somebody removed records of ours. Where the engine lists no such container, it is gone. */
  #forgetRemoved(keys: string[]): void {
    const ids = containerIdsOf(keys.map((key) => this.#entries.get(key)))
    this.#former.forget(ids)
    this.#follower?.forget(ids)
    this.#replan()
  }

  #replan(): void {
    // Before both are known, nothing is: a plan would remove what only has not been seen yet.
    if (!this.#recalled) {
      return
    }
    if (this.#containers === undefined) {
      this.#reportAway()
      return
    }
    const containers = [...this.#containers.values()]
    const { over, nextMs } = this.#stopping.endThose(containers)
    over.forEach((run) => this.#ports.forgetAnswers(run))
    const plan = makePlan(containers, this.#machine(), this.#observations())
    const isHolding = this.#holdFormer(plan, containers)
    const contested = [...plan.contested, ...this.#contested]
    const sources = { contested, targets: plan.targets, unreached: this.#ports.unreached }
    this.#problems = listProblems(sources, this.#problems)
    // Its problems were not known when the plan was made.
    plan.entries.set(...agentEntry(this.#machine(), plan.containers))
    const lingerMs = this.#lingering.keep(plan.entries, this.#entries, Date.now())
    this.#schedule(nextMs, lingerMs, isHolding ? FORMER_MS : undefined)
    this.#planLog.write(plan, this.#entries)
    this.#entries = plan.entries
    this.#registrar.want(plan.entries, plan.unnamed, plan.settings)
    this.#prober.follow(plan.targets)
    this.#stopping.retain(new Set(containers.map(runOf)))
    this.#ports.retain(containers)
  }

  #observations(): Observations {
    const { answered, doubtful } = this.#ports
    const known = { signalled: this.#stopping.runs(), before: this.#entries }
    return { ...known, answered, doubtful }
  }

  /** What an earlier life registered stays, while the engine lists none of it: says whether so. */
  #holdFormer({ entries }: RegistrationPlan, listed: Container[]): boolean {
    const names = this.#former.hold(entries, this.#entries, listed)
    if (names.length === 0) {
      this.#formerDoubt = undefined
      return false
    }
    const which = shownNames(names)
    const reason = `it answers, and lists none of the containers registered before (${which})`
    if (this.#formerDoubt?.reason !== reason) {
      this.#options.log.error({ reason }, 'the container engine is not believed')
      const sinceAtMs = this.#formerDoubt?.sinceAtMs ?? Date.now()
      this.#formerDoubt = { reason, sinceAtMs, isDoubted: true }
    }
    return true
  }

  #noteEngine(reason: string | undefined, isDoubted = false): void {
    const what = { reason: reason?.slice(0, 300) ?? '', sinceAtMs: Date.now() }
    this.#engineAway =
      reason === undefined ? undefined : { ...what, ...(isDoubted && { isDoubted }) }
    this.#replan()
  }

  /** This machine, with what is known of its engine. */
  #machine(): AgentMachine {
    const { machine } = this.#options
    const engine = this.#engineAway ?? this.#formerDoubt
    const problems = this.#problems
    const news = { ...(engine && { engine }), ...(problems.length > 0 && { problems }) }
    return { ...machine, presence: { ...machine.presence, ...news } }
  }

  /** An engine that never answered: what is registered stays, and the registry says so. */
  #reportAway(): void {
    if (this.#engineAway !== undefined && this.#options.isEngineNamed === true) {
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

  #noteUnreached(target: ProbeTarget, what: Unreached): void {
    const { container, host, port, direct } = target
    this.#ports.noteUnreached(target, what)
    const fields = { container, host, port, ...(direct !== undefined && { direct }) }
    this.#options.log.warn(fields, unreachedText(what, target))
    this.#replan()
  }
}

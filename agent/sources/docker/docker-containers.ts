/** The containers of this machine's engine as a source: what they want, and doubt of the engine. */
import type { AgentRecord } from '../../../contract/record/agent-record.js'
import type { Logger } from '../../../runtime/logger.js'
import { runOf } from '../../engine/container.js'
import type { Container } from '../../engine/container.js'
import type { ContainerEngine } from '../../engine/engine.js'
import { shownNames } from '../../engine/doubt.js'
import { Follower } from '../../engine/follower.js'
import { FormerContainers, containerIdsOf } from '../../plan/former-containers.js'
import type { AgentMachine } from '../../plan/instance-address.js'
import { KnownPorts } from '../../plan/known-ports.js'
import { makePlan } from '../../plan/plan.js'
import type { Observations, RegistrationPlan } from '../../plan/plan.js'
import { PortProber } from '../../plan/port-prober.js'
import type { Unreached } from '../../plan/port-prober.js'
import type { ProbeTarget } from '../../plan/probe-target.js'
import { unreachedText } from '../../plan/problems.js'
import { instancesOf, recall } from '../../plan/recall.js'
import { StoppingContainers } from '../../plan/stopping-containers.js'

type Entries = ReadonlyMap<string, string>

export interface DockerOptions {
  machine: AgentMachine
  /** Makes a client of the container engine, for each connection anew. */
  open: () => ContainerEngine
  log: Logger
  /** Milliseconds between full comparisons with the engine. */
  resyncMs?: number | undefined
  /** What the next plan says may be another one. */
  onChange(): void
}

export interface DockerPlan {
  plan: RegistrationPlan
  unreached: ReadonlyMap<string, Unreached>
  /** Milliseconds until time alone asks for another plan. */
  dueMs: Array<number | undefined>
}

/** How often containers are looked at that an earlier life registered, and nobody lists. */
const FORMER_MS = 1000

export class DockerContainers {
  readonly #options: DockerOptions
  readonly #prober: PortProber
  readonly #follower: Follower
  readonly #stopping: StoppingContainers
  readonly #ports = new KnownPorts()
  #containers: ReadonlyMap<string, Container> | undefined
  #away: AgentRecord['engine']
  #former = new FormerContainers(new Map())
  /** That the engine lists nothing of what an earlier life registered. */
  #formerDoubt: AgentRecord['engine']

  constructor(options: DockerOptions) {
    const { open, log, resyncMs } = options
    const onChange = () => options.onChange()
    this.#options = options
    this.#stopping = new StoppingContainers(log)
    this.#prober = new PortProber({
      onAnswer: (target) => {
        this.#ports.noteAnswer(target)
        onChange()
      },
      onUnreached: (target, what) => this.#noteUnreached(target, what),
      onReached: (target) => this.#ports.noteReached(target),
    })
    this.#follower = new Follower({
      open,
      log,
      onContainers: (containers) => {
        this.#containers = containers
        onChange()
      },
      onEngine: (reason, isDoubted) => this.#noteEngine(reason, isDoubted),
      onStopSignal: (container) => this.#stopping.add(runOf(container)),
      ...(resyncMs !== undefined && { resyncMs }),
    })
  }

  /** Why the engine cannot be followed, or is not believed. */
  get away(): AgentRecord['engine'] {
    return this.#away ?? this.#formerDoubt
  }

  get hasListed(): boolean {
    return this.#containers !== undefined
  }

  /** Until `signal` aborts. Rejects when the engine's address is none. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#follower.run(signal)
  }

  stop(): void {
    this.#prober.stop()
  }

  /** An earlier life's records say what it knew, so a restart of the agent changes no state. */
  recall(own: Entries): void {
    const { signalled, answered, doubtful } = recall(instancesOf(own))
    signalled.forEach((run) => this.#stopping.add(run))
    this.#ports.recall(answered, doubtful)
    this.#former = new FormerContainers(own)
  }

  /** Somebody removed these records. Where the engine lists no such container, it is gone. */
  forget(values: ReadonlyArray<string | undefined>): void {
    const ids = containerIdsOf(values)
    this.#former.forget(ids)
    this.#follower.forget(ids)
  }

  /** Undefined until the engine has listed its containers. `before`: what is registered. */
  plan(before: Entries): DockerPlan | undefined {
    if (this.#containers === undefined) {
      return undefined
    }
    const containers = [...this.#containers.values()]
    const { over, nextMs } = this.#stopping.endThose(containers)
    over.forEach((run) => this.#ports.forgetAnswers(run))
    const plan = makePlan(containers, this.#options.machine, this.#observations(before))
    const isHolding = this.#holdFormer(plan, containers, before)
    this.#prober.follow(plan.targets)
    this.#stopping.retain(new Set(containers.map(runOf)))
    this.#ports.retain(containers)
    const { unreached } = this.#ports
    return { plan, unreached, dueMs: [nextMs, isHolding ? FORMER_MS : undefined] }
  }

  #observations(before: Entries): Observations {
    const { answered, doubtful } = this.#ports
    return { signalled: this.#stopping.runs(), before, answered, doubtful }
  }

  /** What an earlier life registered stays, while the engine lists none of it: says whether so. */
  #holdFormer({ entries }: RegistrationPlan, listed: Container[], before: Entries): boolean {
    const names = this.#former.hold(entries, before, listed)
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
    this.#away = reason === undefined ? undefined : { ...what, ...(isDoubted && { isDoubted }) }
    this.#options.onChange()
  }

  #noteUnreached(target: ProbeTarget, what: Unreached): void {
    const { container, host, port, direct } = target
    this.#ports.noteUnreached(target, what)
    const fields = { container, host, port, ...(direct !== undefined && { direct }) }
    this.#options.log.warn(fields, unreachedText(what, target))
    this.#options.onChange()
  }
}

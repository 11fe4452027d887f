/** Containers → plan → registry: an agent's three loops, and what they remember between them. */
import type { Registry } from '../registry/registry.js'
import { checkInstance } from '../contract/record/records.js'
import type { HostRecord, InstanceRecord } from '../contract/record/records.js'
import type { Logger } from '../runtime/logger.js'
import { pause } from '../runtime/retry.js'
import { runOf } from './engine/container.js'
import type { Container } from './engine/container.js'
import type { ContainerEngine } from './engine/docker.js'
import { Follower } from './engine/follower.js'
import { LingeringRoutes } from './plan/lingering-routes.js'
import type { LeaseMemo } from './register/lease-memo.js'
import type { AgentHost } from './plan/instance-address.js'
import { hostEntry, makePlan, recall, targetKey } from './plan/plan.js'
import type { ProbeTarget, RegistrationPlan } from './plan/plan.js'
import { PortProber } from './plan/port-prober.js'
import { Registrar } from './register/registrar.js'

export interface AgentOptions {
  registry: Registry
  host: AgentHost
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

/** The instances among registry entries. A bad one is skipped: it is about to be replaced. */
function instancesOf(entries: ReadonlyMap<string, string>): InstanceRecord[] {
  return [...entries]
    .filter(([key]) => key.startsWith('instances/'))
    .map(([, value]) => checkInstance(JSON.parse(value), { allowLoopback: true }))
    .flatMap((checked) => (checked.ok ? [checked.value] : []))
}

const DAY_MS = 86_400_000
/** From the end of a container's grace until nobody can be about to kill it. */
const STOP_MARGIN_MS = 2000

/** Keeps the process alive until then. */
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
  /** Run → when it was told to stop. */
  readonly #signalled = new Map<string, number>()
  readonly #answered = new Set<string>()
  #containers: ReadonlyMap<string, Container> | undefined
  #replanning: NodeJS.Timeout | undefined
  #recalled = false
  #engineAway: HostRecord['engine']
  #entries: ReadonlyMap<string, string> = new Map()
  /** Container name → what was logged about it last. */
  #logged = new Map<string, string>()

  constructor(options: AgentOptions) {
    const { registry, host, ttlMs, memo, log, registryResyncMs: resyncMs } = options
    const agent = host.agent
    this.#options = options
    this.#lingering = new LingeringRoutes(options.routesLingerMs ?? ROUTES_LINGER_MS)
    this.#registrar = new Registrar({
      ...{ registry, agent, ttlMs, memo, log },
      ...(host.presence !== undefined && { identity: host.presence }),
      ...(resyncMs !== undefined && { resyncMs }),
    })
    this.#prober = new PortProber({
      onAnswer: (target) => {
        this.#answered.add(targetKey(target))
        this.#replan()
      },
      onUnreachable: (target, listens) => this.#logUnreachable(target, listens),
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
      onEngine: (reason) => this.#noteEngine(reason),
      onStopSignal: (container) => this.#signalled.set(runOf(container), Date.now()),
      ...(resyncMs !== undefined && { resyncMs }),
    })
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
    const { signalled, answered } = recall(instancesOf(own))
    signalled.forEach((run) => this.#signalled.set(run, Date.now()))
    answered.forEach((key) => this.#answered.add(key))
    this.#recalled = true
    this.#entries = own
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
    const nextMs = this.#forgiveSignals()
    const signalled = new Set(this.#signalled.keys())
    const observations = { signalled, answered: this.#answered, before: this.#entries }
    const plan = makePlan(this.#containers.values(), this.#host(), observations)
    this.#schedule(nextMs, this.#lingering.keep(plan.entries, this.#entries, Date.now()))
    this.#logPlan(plan)
    this.#entries = plan.entries
    this.#registrar.want(plan.entries, plan.unnamed, plan.settings)
    this.#prober.follow(plan.targets)
    this.#forget()
  }

  #noteEngine(reason: string | undefined): void {
    this.#engineAway =
      reason === undefined ? undefined : { reason: reason.slice(0, 300), sinceAtMs: Date.now() }
    this.#replan()
  }

  /** This machine, with what is known of its engine. */
  #host(): AgentHost {
    const { host } = this.#options
    const engine = this.#engineAway
    return engine === undefined ? host : { ...host, presence: { ...host.presence, engine } }
  }

  /** An engine that never answered: what is registered stays, and the registry says so. */
  #reportAway(): void {
    if (this.#engineAway !== undefined && this.#options.isEngineNamed === true) {
      this.#registrar.want(new Map([...this.#entries, hostEntry(this.#host(), 0)]))
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

  /**
   * A container that is still there when the engine would have killed it was not stopped: it
   * serves again, once its port has answered anew. Milliseconds until the next one is looked at.
   */
  #forgiveSignals(): number | undefined {
    const nowMs = Date.now()
    const leftMs: number[] = []
    for (const container of this.#containers?.values() ?? []) {
      const run = runOf(container)
      const atMs = this.#signalled.get(run)
      if (atMs === undefined || container.status === 'stopped') {
        continue
      }
      const endsInMs = atMs + container.stopGraceMs + STOP_MARGIN_MS - nowMs
      if (endsInMs > 0) {
        leftMs.push(endsInMs)
        continue
      }
      this.#signalled.delete(run)
      ;[...this.#answered]
        .filter((key) => key.startsWith(`${run} `))
        .forEach((key) => this.#answered.delete(key))
      const fields = { container: container.name, stopGraceMs: container.stopGraceMs }
      this.#options.log.warn(fields, 'told to stop, and still there after its grace; serves again')
    }
    return leftMs.length === 0 ? undefined : Math.min(...leftMs)
  }

  #logUnreachable({ container, host, port, direct }: ProbeTarget, listens: boolean): void {
    const fields = { container, host, port, ...(direct !== undefined && { direct }) }
    const message = listens
      ? 'it listens, but this machine does not reach its registered address; gateways decide'
      : 'down: no connection is taken at its registered address'
    this.#options.log.warn(fields, message)
  }

  /** Runs that are over. */
  #forget(): void {
    const runs = new Set([...(this.#containers?.values() ?? [])].map(runOf))
    for (const run of this.#signalled.keys()) {
      if (!runs.has(run)) {
        this.#signalled.delete(run)
      }
    }
    for (const key of this.#answered) {
      if (!runs.has(key.split(' ')[0] ?? '')) {
        this.#answered.delete(key)
      }
    }
  }

  #logPlan(plan: RegistrationPlan): void {
    this.#logStates(plan.entries)
    const logged = new Map<string, string>()
    for (const { container, reading } of plan.reports) {
      const refused = reading.refused.map(({ reason }) => reason)
      const text = [...refused, ...reading.warnings].join('; ')
      logged.set(container.name, text)
      if (text === '' || this.#logged.get(container.name) === text) {
        continue
      }
      const fields = { container: container.name, refused, warnings: reading.warnings }
      this.#options.log.warn(fields, refused.length > 0 ? 'container refused' : 'labels ignored')
    }
    this.#logged = logged
  }

  #logStates(entries: ReadonlyMap<string, string>): void {
    const { log } = this.#options
    for (const [key, value] of entries) {
      if (this.#entries.get(key) !== value && !key.startsWith('hosts/')) {
        const { state, reason, host, port } = JSON.parse(value) as Partial<InstanceRecord>
        log.info({ key, state, reason, host, port }, 'registering')
      }
    }
    for (const key of this.#entries.keys()) {
      if (!entries.has(key)) {
        log.info({ key }, 'removing')
      }
    }
  }
}

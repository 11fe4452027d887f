/** Containers → plan → registry: an agent's three loops, and what they remember between them. */
import type { Registry } from '../registry/registry.js'
import { checkInstance } from '../contract/record/records.js'
import type { InstanceRecord } from '../contract/record/records.js'
import type { Logger } from '../runtime/logger.js'
import { pause } from '../runtime/retry.js'
import { runOf } from './engine/container.js'
import type { Container } from './engine/container.js'
import type { ContainerEngine } from './engine/docker.js'
import { Follower } from './engine/follower.js'
import { LingeringRoutes } from './plan/lingering.js'
import type { LeaseMemo } from './register/lease-memo.js'
import type { AgentHost } from './plan/place.js'
import { makePlan, recall, targetKey } from './plan/plan.js'
import type { RegistrationPlan } from './plan/plan.js'
import { PortProber } from './plan/port-prober.js'
import { Registrar } from './register/registrar.js'

export interface AgentOptions {
  registry: Registry
  host: AgentHost
  /** Makes a client of the container engine, for each connection anew. */
  open: () => ContainerEngine
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
  readonly #signalled = new Set<string>()
  readonly #answered = new Set<string>()
  #containers: ReadonlyMap<string, Container> | undefined
  #replanning: NodeJS.Timeout | undefined
  #recalled = false
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
      ...(resyncMs !== undefined && { resyncMs }),
    })
    this.#prober = new PortProber((target) => {
      this.#answered.add(targetKey(target))
      this.#replan()
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
      onStopSignal: (run) => this.#signalled.add(run),
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
    signalled.forEach((run) => this.#signalled.add(run))
    answered.forEach((key) => this.#answered.add(key))
    this.#recalled = true
    this.#entries = own
    this.#replan()
  }

  #replan(): void {
    // Before both are known, nothing is: a plan would remove what only has not been seen yet.
    if (!this.#recalled || this.#containers === undefined) {
      return
    }
    const memory = { signalled: this.#signalled, answered: this.#answered }
    const plan = makePlan(this.#containers.values(), this.#options.host, memory)
    this.#linger(plan.entries)
    this.#logPlan(plan)
    this.#entries = plan.entries
    this.#registrar.want(plan.entries)
    this.#prober.follow(plan.targets)
    this.#forget()
  }

  #linger(entries: Map<string, string>): void {
    clearTimeout(this.#replanning)
    const delayMs = this.#lingering.keep(entries, this.#entries, Date.now())
    if (delayMs !== undefined) {
      this.#replanning = setTimeout(() => this.#replan(), delayMs).unref()
    }
  }

  /** Runs that are over. */
  #forget(): void {
    const runs = new Set([...(this.#containers?.values() ?? [])].map(runOf))
    for (const run of this.#signalled) {
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
      this.#options.log.warn(fields, refused.length > 0 ? 'container refused' : 'labels overlooked')
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

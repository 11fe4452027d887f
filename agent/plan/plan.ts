/** All containers of the host → what should stand in the registry, and what was refused. Pure. */
import { printKey } from '../../contract/keys.js'
import type { HostRecord, InstanceRecord } from '../../contract/record/records.js'
import { runOf } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import { readLabels } from './labels.js'
import type { Reading, WantedInstance } from './labels.js'
import type { AgentHost } from './place.js'
import { STOPPING, containerState } from './container-state.js'

/** Where a container's port is to be tried. */
export interface ProbeTarget {
  run: string
  host: string
  port: number
}

/** What the agent knows beyond inspect. `answered` has targets by {@link targetKey}. */
export interface Observations {
  signalled: ReadonlySet<string>
  answered: ReadonlySet<string>
}

export interface ContainerReport {
  container: Container
  reading: Reading
}

export interface RegistrationPlan {
  /** Registry key → value, for everything this agent should have there. */
  entries: Map<string, string>
  reports: ContainerReport[]
  /** Targets whose answer is awaited. */
  targets: ProbeTarget[]
}

export function targetKey(target: ProbeTarget): string {
  return `${target.run} ${target.host} ${target.port}`
}

function byAge(a: Container, b: Container): number {
  return a.createdAt === b.createdAt
    ? a.name < b.name
      ? -1
      : 1
    : a.createdAt < b.createdAt
      ? -1
      : 1
}

class Planner {
  readonly plan: RegistrationPlan = { entries: new Map(), reports: [], targets: [] }
  readonly #host: AgentHost
  readonly #memory: Observations
  /** Host and path prefix → upstream and container that hold them. */
  readonly #routes = new Map<string, { upstream: string; container: string }>()

  constructor(host: AgentHost, memory: Observations) {
    this.#host = host
    this.#memory = memory
  }

  add(container: Container): boolean {
    const reading = readLabels(container, this.#host)
    this.plan.reports.push({ container, reading })
    const placed = reading.instances.filter((instance) => this.#place(container, instance, reading))
    reading.instances = placed
    return placed.length > 0
  }

  #place(container: Container, instance: WantedInstance, reading: Reading): boolean {
    const { upstream, id, record } = instance
    const target = { run: runOf(container), host: record.host, port: record.port }
    const state = containerState(container, {
      signalled: this.#memory.signalled.has(target.run),
      answered: this.#memory.answered.has(targetKey(target)),
    })
    if (state === undefined) {
      return true
    }
    const key = printKey({ kind: 'instances', upstream, id })
    if (this.plan.entries.has(key)) {
      reading.refused.push({
        reason: `instance ${id} of upstream ${upstream} is another container's already`,
      })
      return false
    }
    const awaited = container.health === 'none' && container.status === 'running'
    if (awaited && !this.#memory.answered.has(targetKey(target))) {
      this.plan.targets.push(target)
    }
    Object.assign(record, state)
    this.plan.entries.set(key, JSON.stringify(record))
    this.#route(container, instance, reading)
    return true
  }

  /** Of two containers that want a host for different upstreams, the older one keeps it. */
  #route(container: Container, instance: WantedInstance, reading: Reading): void {
    instance.routes = instance.routes.filter(({ id, record }) => {
      const where = record.hosts.join() + record.pathPrefix
      const holder = this.#routes.get(where)
      if (holder !== undefined && holder.upstream !== instance.upstream) {
        const owner = `upstream ${holder.upstream}, by container ${holder.container}`
        reading.refused.push({ reason: `route ${where} belongs to ${owner}` })
        return false
      }
      this.#routes.set(where, { upstream: instance.upstream, container: container.name })
      this.plan.entries.set(printKey({ kind: 'routes', id }), JSON.stringify(record))
      return true
    })
  }
}

/** Older containers come first: a newcomer that contradicts them is refused. */
export function makePlan(
  containers: Iterable<Container>,
  host: AgentHost,
  memory: Observations,
): RegistrationPlan {
  const planner = new Planner(host, memory)
  const placed = [...containers].sort(byAge).filter((container) => planner.add(container))
  const count = placed.filter(({ status }) => status !== 'stopped').length
  const record: HostRecord = { address: host.address ?? '', containers: count }
  planner.plan.entries.set(printKey({ kind: 'hosts', id: host.agent }), JSON.stringify(record))
  return planner.plan
}

/**
 * What an agent's own records say to its next life: which runs were stopping and which ports had
 * answered, so that a restart of the agent changes no state.
 */
export function recall(values: Iterable<InstanceRecord>): {
  signalled: Set<string>
  answered: Set<string>
} {
  const signalled = new Set<string>()
  const answered = new Set<string>()
  for (const { host, port, state, reason, metadata } of values) {
    const run = `${metadata?.containerId ?? ''}/${metadata?.startedAt ?? ''}`
    if (state === 'draining' && reason === STOPPING) {
      signalled.add(run)
    }
    // One that drains had answered before, and one with a HEALTHCHECK needs no answer.
    if (state === 'up' || state === 'draining') {
      answered.add(targetKey({ run, host, port }))
    }
  }
  return { signalled, answered }
}

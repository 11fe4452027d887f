/** The machine's containers → what should stand in the registry, and what was refused. Pure. */
import { parseKey, printKey } from '../../contract/keys.js'
import type { AgentRecord } from '../../contract/record/agent-record.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { runOf, shortId } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import { readContainer } from './container-records.js'
import type { Reading, WantedInstance } from './container-records.js'
import { claimantOf, settleClaims } from './host-claims.js'
import type { Contested, Claimant } from './host-claims.js'
import type { AgentMachine } from './instance-address.js'
import { printClaim, readRoute } from './route-claim.js'
import { containerState } from './container-state.js'
import { targetKey } from './probe-target.js'
import type { ProbeTarget } from './probe-target.js'

/** What the agent knows beyond inspect. `answered` has targets by {@link targetKey}. */
export interface Observations {
  signalled: ReadonlySet<string>
  answered: ReadonlySet<string>
  /** Targets whose registered address this machine does not reach; they may serve all the same. */
  doubtful?: ReadonlySet<string>
  /** Registry key → value, as it was before this plan. */
  before?: ReadonlyMap<string, string>
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
  /** What leads to each upstream whose name nobody chose, by upstream. */
  unnamed: Map<string, string>
  /** Registry key → value of upstreams' settings, for those that have none. */
  settings: Map<string, string>
  /** Claims that several upstreams have. */
  contested: Contested[]
  /** How many containers have an instance. */
  containers: number
}

/**
 * Running ones first, then the oldest: of two that contradict each other, the newcomer is refused.
 */
function byAge(a: Container, b: Container): number {
  const stopped = (container: Container) => Number(container.status === 'stopped')
  const sooner = (x: string, y: string) => (x < y ? -1 : x > y ? 1 : 0)
  return stopped(a) - stopped(b) || sooner(a.createdAt, b.createdAt) || sooner(a.name, b.name)
}

/** Who was first in an upstream: the others have to mean the same one. */
interface Founder {
  container: string
  given: string
  isNameChosen: boolean
  /** All that its routes claim, in one text. */
  claims: string
}

class Planner {
  readonly plan: RegistrationPlan = {
    ...{ entries: new Map(), reports: [], targets: [], unnamed: new Map() },
    settings: new Map(),
    contested: [],
    containers: 0,
  }
  readonly #machine: AgentMachine
  readonly #observations: Observations
  readonly #all: ReadonlyMap<string, Container>
  readonly #claimants: Claimant[] = []
  readonly #founders = new Map<string, Founder>()

  constructor(
    all: ReadonlyMap<string, Container>,
    machine: AgentMachine,
    observations: Observations,
  ) {
    this.#all = all
    this.#machine = machine
    this.#observations = observations
  }

  add(container: Container): boolean {
    const reading = readContainer(container, this.#machine, this.#all)
    this.plan.reports.push({ container, reading })
    if (container.status === 'stopped') {
      // It has no address any more, which is no fault of its labels.
      reading.refused = []
      this.#keepStopped(container)
      return false
    }
    const placed = reading.instances.filter((instance) =>
      this.#register(container, instance, reading),
    )
    reading.instances = placed
    return placed.length > 0
  }

  /** Once all containers are in. */
  settle(): void {
    const before = this.#observations.before ?? new Map<string, string>()
    const holders = new Map<string, string>()
    for (const [key, value] of before) {
      const route = key.startsWith('routes/') ? readRoute(value) : undefined
      if (route !== undefined) {
        holders.set(route.claim, route.upstream)
      }
    }
    const routes = settleClaims(this.#claimants, holders, this.plan.contested)
    routes.forEach((value, key) => this.plan.entries.set(key, value))
  }

  /** A container without a process has no address; what it had is kept, so that people see why. */
  #keepStopped(container: Container): void {
    const before = [...(this.#observations.before ?? [])]
    const { state, reason } = containerState(container, { signalled: false, answered: false })
    for (const [key, value] of before) {
      const parsed = parseKey(key)
      if (parsed?.kind !== 'instances' || this.plan.entries.has(key)) {
        continue
      }
      const record = JSON.parse(value) as InstanceRecord
      if (record.metadata?.containerId !== shortId(container.id)) {
        continue
      }
      this.plan.entries.set(key, JSON.stringify({ ...record, state, reason }))
      for (const [routeKey, routeValue] of before) {
        const route = routeKey.startsWith('routes/') ? readRoute(routeValue) : undefined
        if (route?.upstream === parsed.upstream) {
          const claimant = {
            from: `container ${container.name}`,
            isUp: false,
            refuse: () => undefined,
          }
          this.#claimants.push({ ...claimant, ...route, key: routeKey, value: routeValue })
        }
      }
    }
  }

  #register(container: Container, instance: WantedInstance, reading: Reading): boolean {
    const { upstream, id, record, transport, direct } = instance
    const { host, port } = record
    const target = { run: runOf(container), host, port, direct, container: container.name }
    const answered = transport === 'udp' || this.#observations.answered.has(targetKey(target))
    const signalled = this.#observations.signalled.has(target.run)
    const isUnreached = this.#observations.doubtful?.has(targetKey(target)) === true
    const unreachedBy = isUnreached ? this.#machine.agent : undefined
    const state = containerState(container, { signalled, answered, unreachedBy })
    const key = printKey({ kind: 'instances', upstream, id })
    const refused = this.plan.entries.has(key)
      ? `instance ${id} of upstream ${upstream} is another container's already`
      : this.#contradiction(container, instance)
    if (refused !== undefined) {
      reading.refused.push({ reason: refused })
      return false
    }
    if (
      container.health === 'none' &&
      container.status === 'running' &&
      (!answered || isUnreached)
    ) {
      this.plan.targets.push(target)
    }
    Object.assign(record, state)
    this.plan.entries.set(key, JSON.stringify(record))
    this.#claim(container, instance, reading)
    this.#set(upstream, instance, reading)
    return true
  }

  /** Why the instance does not belong to the upstream that its container's labels lead it to. */
  #contradiction(container: Container, instance: WantedInstance): string | undefined {
    const { upstream, given, isNameChosen, routes } = instance
    const claims = [...new Set(routes.map(({ record }) => printClaim(record)))].sort().join(' ')
    const founder = this.#founders.get(upstream)
    if (founder === undefined) {
      this.#founders.set(upstream, { container: container.name, given, isNameChosen, claims })
      if (!isNameChosen) {
        this.plan.unnamed.set(upstream, claims)
      }
      return undefined
    }
    const its = `container ${founder.container}'s`
    if (founder.given !== given) {
      const both = `${JSON.stringify(given)} and ${its} ${JSON.stringify(founder.given)}`
      return `upstream ${upstream}: ${both} become one name; give one of them another`
    }
    const isShared = isNameChosen && founder.isNameChosen
    return isShared || founder.claims === claims
      ? undefined
      : `upstream ${upstream} is ${its}, which has other hosts; name one by sluice.upstream`
  }

  /** The oldest container's labels set the upstream. */
  #set(upstream: string, { settings }: WantedInstance, reading: Reading): void {
    const key = printKey({ kind: 'upstreams', upstream })
    const value = settings === undefined ? undefined : JSON.stringify(settings)
    const known = this.plan.settings.get(key)
    if (value !== undefined && known !== undefined && known !== value) {
      const other = 'another container sets it otherwise'
      reading.warnings.push(`settings of upstream ${upstream} are ignored: ${other}`)
    } else if (value !== undefined) {
      this.plan.settings.set(key, value)
    }
  }

  #claim(container: Container, instance: WantedInstance, reading: Reading): void {
    const { upstream, record } = instance
    for (const route of instance.routes) {
      const refuse = (reason: string) => {
        reading.refused.push({ reason })
        instance.routes = instance.routes.filter((each) => each !== route)
      }
      const isUp = record.state === 'up'
      this.#claimants.push(
        claimantOf(route, { upstream, from: `container ${container.name}`, isUp, refuse }),
      )
    }
  }
}

/** What should be registered for `containers` from now on. */
export function makePlan(
  containers: Iterable<Container>,
  machine: AgentMachine,
  observations: Observations,
): RegistrationPlan {
  const all = new Map([...containers].map((container) => [container.id, container]))
  const planner = new Planner(all, machine, observations)
  const placed = [...all.values()].sort(byAge).filter((container) => planner.add(container))
  planner.settle()
  planner.plan.containers = placed.length
  planner.plan.entries.set(...agentEntry(machine, placed.length))
  return planner.plan
}

/** What the registry says of the agent itself. */
export function agentEntry(
  machine: AgentMachine,
  containers: number,
): [key: string, value: string] {
  const record: AgentRecord = { address: machine.address ?? '', containers, ...machine.presence }
  return [printKey({ kind: 'hosts', id: machine.agent }), JSON.stringify(record)]
}

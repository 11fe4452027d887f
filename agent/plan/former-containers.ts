/**
 * Containers that an earlier life of the agent registered, while the engine lists none of them. An
 * engine that begins anew in an empty folder lists nothing, and the containers may still run.
 */
import { parseKey } from '../../contract/keys.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { shortId } from '../engine/container.js'
import type { Container, ContainerRun } from '../engine/container.js'
import { Doubt } from '../engine/doubt.js'
import { ContainerProcesses } from '../engine/processes.js'
import { ENDED } from './container-state.js'
import { readRoute } from './route-claim.js'

interface FormerContainer extends ContainerRun {
  name: string
}

export interface FormerOptions {
  /** How this machine sees processes; for tests. */
  processes?: Pick<ContainerProcesses, 'learn' | 'lives' | 'hasEnded'>
  /** Milliseconds; as in {@link Doubt}. */
  holdMs?: number
}

const LISTLESS = 'its process has ended, and the engine does not list it'

/** The container that an instance's registry value came from; undefined: none, or not readable. */
function originOf(value: string): (FormerContainer & { record: InstanceRecord }) | undefined {
  try {
    const record = JSON.parse(value) as InstanceRecord
    const { containerId: id, startedAt = '', container: name = '' } = record.metadata ?? {}
    const status = record.reason?.startsWith(ENDED) === true ? 'stopped' : 'running'
    return id === undefined ? undefined : { id, startedAt, name, status, pid: 0, record }
  } catch {
    // Nobody can read it, so it says of no container.
    return undefined
  }
}

/** Ids, of 12 digits, of the containers that these registry values came from. */
export function containerIdsOf(values: ReadonlyArray<string | undefined>): Set<string> {
  return new Set(values.flatMap((value) => originOf(value ?? '')?.id ?? []))
}

export class FormerContainers {
  readonly #processes: NonNullable<FormerOptions['processes']>
  readonly #doubt: Doubt<FormerContainer>
  /** By their ids of 12 digits; empty once the engine is believed. */
  #containers = new Map<string, FormerContainer>()

  /** `own`: registry key → value of what the earlier life registered. */
  constructor(own: ReadonlyMap<string, string>, options: FormerOptions = {}) {
    this.#processes = options.processes ?? new ContainerProcesses()
    const lives = (container: FormerContainer) => this.#processes.lives(container)
    this.#doubt = new Doubt({ lives, holdMs: options.holdMs })
    for (const [key, value] of own) {
      const origin = parseKey(key)?.kind === 'instances' ? originOf(value) : undefined
      if (origin !== undefined && origin.status !== 'stopped') {
        this.#containers.set(origin.id, origin)
      }
    }
    this.#processes.learn(this.#containers.values())
  }

  /** An operator removed what they had registered. `ids` have 12 digits. */
  forget(ids: ReadonlySet<string>): void {
    ids.forEach((id) => this.#containers.delete(id))
  }

  /**
   * Adds to `wanted` (registry key → value) what `before` has of containers that are held, with
   * their routes; nothing that a listed container has the address of now. Answers their names.
   */
  hold(
    wanted: Map<string, string>,
    before: ReadonlyMap<string, string>,
    listed: readonly Container[],
  ): string[] {
    const ids = new Set(listed.map(({ id }) => shortId(id)))
    const held = this.#doubt.held(this.#containers.values(), (id) => ids.has(id))
    if (held.length === 0) {
      // From now on the engine is believed: what it lists later went in its own order.
      this.#containers.clear()
      return []
    }
    const upstreams = this.#holdInstances(wanted, before, addressesOf(listed, wanted))
    holdRoutes(wanted, before, upstreams)
    return held.map(({ name }) => name)
  }

  #holdInstances(
    wanted: Map<string, string>,
    before: ReadonlyMap<string, string>,
    taken: ReadonlySet<string>,
  ): Set<string> {
    const upstreams = new Set<string>()
    for (const [key, value] of before) {
      const parsed = parseKey(key)
      const origin = parsed?.kind === 'instances' ? originOf(value) : undefined
      const container = this.#containers.get(origin?.id ?? '')
      if (parsed?.kind !== 'instances' || origin === undefined || container === undefined) {
        continue
      }
      const { host, port } = origin.record
      if (taken.has(host) || taken.has(`${host} ${port}`)) {
        continue
      }
      upstreams.add(parsed.upstream)
      if (!wanted.has(key)) {
        const down = { ...origin.record, state: 'down', reason: LISTLESS }
        wanted.set(key, this.#processes.hasEnded(container) ? JSON.stringify(down) : value)
      }
    }
    return upstreams
  }
}

/** Where others are: `172.17.0.2` of containers, `10.0.0.5 8080` of what is registered. */
function addressesOf(listed: readonly Container[], wanted: ReadonlyMap<string, string>) {
  const own = listed.flatMap(({ networks }) => networks.flatMap(({ address }) => address ?? []))
  const registered = [...wanted.values()].flatMap((value) => {
    const { record } = originOf(value) ?? {}
    return record === undefined ? [] : [`${record.host} ${record.port}`]
  })
  return new Set([...own, ...registered])
}

/** Routes to these upstreams, but for those whose claim another upstream has now. */
function holdRoutes(
  wanted: Map<string, string>,
  before: ReadonlyMap<string, string>,
  upstreams: ReadonlySet<string>,
): void {
  const claims = new Set([...wanted.values()].flatMap((value) => readRoute(value)?.claim ?? []))
  for (const [key, value] of before) {
    const route = key.startsWith('routes/') ? readRoute(value) : undefined
    if (route !== undefined && upstreams.has(route.upstream) && !claims.has(route.claim)) {
      wanted.set(key, value)
    }
  }
}

/** What the registry holds that concerns one agent, sorted by whose it is. */
import { AGENT_ROUTES, parseKey } from '../../contract/keys.js'
import type { AgentRecord } from '../../contract/record/agent-record.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import type { RegistryEntry, Registry } from '../../registry/registry.js'
import { readRoute } from '../plan/route-claim.js'
import { isOwn } from './reconcile.js'

/** Another agent's route for a host. */
export interface RivalRoute {
  key: string
  revision: number
  /** What it claims, as `printClaim` prints it. */
  claim: string
  upstream: string
}

/** What other agents have, where it may contradict what this one wants. */
export interface Rivals {
  routes: RivalRoute[]
  /** Upstreams in which another agent has an instance. */
  upstreams: ReadonlySet<string>
  /** Upstreams with an instance that is up and is not this agent's. */
  up: ReadonlySet<string>
}

export interface AgentRecords {
  own: RegistryEntry[]
  /** Keys that are not this agent's. */
  foreign: Set<string>
  rivals: Rivals
  /** The machine that registers by this agent's id. */
  machine: Partial<AgentRecord> | undefined
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    // Nobody can read it, so it contradicts nothing.
    return {}
  }
}

export function isUp(value: string): boolean {
  const { state, gone } = parseObject(value) as Partial<InstanceRecord>
  return state === 'up' && gone !== true
}

function rivalRoutes(entries: readonly RegistryEntry[], agent: string): RivalRoute[] {
  return entries.flatMap((entry) => {
    const { key, value, revision } = entry
    const route = key.startsWith(`routes/${AGENT_ROUTES}`) ? readRoute(value) : undefined
    return route === undefined || isOwn(entry, agent) ? [] : [{ key, revision, ...route }]
  })
}

function rivalsIn(entries: readonly RegistryEntry[], agent: string): Rivals {
  const upstreams = new Set<string>()
  const up = new Set<string>()
  for (const entry of entries) {
    const key = parseKey(entry.key)
    if (key?.kind !== 'instances' || isOwn(entry, agent)) {
      continue
    }
    if (typeof parseObject(entry.value).agent === 'string') {
      upstreams.add(key.upstream)
    }
    if (isUp(entry.value)) {
      up.add(key.upstream)
    }
  }
  return { routes: rivalRoutes(entries, agent), upstreams, up }
}

/**
 * Reads the instances of `upstreams` (undefined: of all), and routes of all agents. Of an upstream
 * that another agent leads one of `claims` to, the instances are read too.
 */
export async function readAgentRecords(
  registry: Registry,
  agent: string,
  upstreams: ReadonlySet<string> | undefined,
  claims: ReadonlySet<string>,
): Promise<AgentRecords> {
  const list = async (prefix: string) => (await registry.list(prefix)).entries
  const instances = upstreams === undefined ? ['instances/'] : [...upstreams].map(instancesOf)
  const prefixes = [...instances, `hosts/${agent}`, `routes/${AGENT_ROUTES}`]
  const entries = (await Promise.all(prefixes.map(list))).flat()
  const contested = rivalRoutes(entries, agent)
    .filter(({ claim, upstream }) => claims.has(claim) && upstreams?.has(upstream) === false)
    .map(({ upstream }) => instancesOf(upstream))
  entries.push(...(await Promise.all([...new Set(contested)].map(list))).flat())
  const own = entries.filter((entry) => isOwn(entry, agent))
  const ownKeys = new Set(own.map(({ key }) => key))
  const foreign = new Set(entries.map(({ key }) => key).filter((key) => !ownKeys.has(key)))
  const machine = own.find(({ key }) => key === `hosts/${agent}`)
  return {
    ...{ own, foreign, rivals: rivalsIn(entries, agent) },
    machine: machine === undefined ? undefined : parseObject(machine.value),
  }
}

function instancesOf(upstream: string): string {
  return `instances/${upstream}/`
}

/** (wanted, registered) → the operations that make them equal. Pure. */
import { markGone } from '../../contract/record/gone-mark.js'
import { parseKey } from '../../contract/keys.js'
import type { RegistryEntry, RegistryOperation } from '../../registry/registry.js'
import { agentRoutePrefix } from '../../runtime/agent-routes.js'

/** One of this agent's own records, as the registry is known to have it. */
export interface Registered {
  value: string
  /** Whether it stands under the lease that is held now. */
  bound: boolean
  /** Of its last change. */
  revision?: number
}

export interface Steps {
  /** Commits, in order. Instances to be removed are marked `gone` before they are deleted. */
  commits: RegistryOperation[][]
  /** Wanted keys that belong to somebody else; they are left alone. */
  taken: string[]
}

/** Operations in one commit: below etcd's 128. */
export const COMMIT_OPERATIONS = 100

function agentOf(value: string): unknown {
  try {
    return (JSON.parse(value) as { agent?: unknown } | null)?.agent
  } catch {
    // A value that nobody can read belongs to nobody, and is left to the operator.
    return undefined
  }
}

/** Whether an entry was put by this agent, in this life or an earlier one. */
export function isOwn(entry: Pick<RegistryEntry, 'key' | 'value'>, agent: string): boolean {
  const key = parseKey(entry.key)
  if (key?.kind === 'instances') {
    return agentOf(entry.value) === agent
  }
  return (
    (key?.kind === 'hosts' && key.id === agent) ||
    (key?.kind === 'routes' && key.id.startsWith(agentRoutePrefix(agent)))
  )
}

/** A route has no lease: the hosts of an agent's containers stay while the agent is cut off. */
function hasLease(key: string): boolean {
  return !key.startsWith('routes/')
}

function chunk(operations: RegistryOperation[]): RegistryOperation[][] {
  const chunks: RegistryOperation[][] = []
  for (let at = 0; at < operations.length; at += COMMIT_OPERATIONS) {
    chunks.push(operations.slice(at, at + COMMIT_OPERATIONS))
  }
  return chunks
}

function putOf(key: string, value: string, lease: string): RegistryOperation {
  return { type: 'put', key, value, ...(hasLease(key) && { lease }) }
}

/** The record with `gone`, by which watchers distinguish a removal from a lost lease. */
function farewell(key: string, value: string, lease: string): RegistryOperation[] {
  return key.startsWith('instances/')
    ? [putOf(key, JSON.stringify(markGone(JSON.parse(value) as object)), lease)]
    : []
}

/**
 * `foreign` are keys in the registry that are not this agent's. A new key is put only if it is not
 * there, so that two agents that want the same key do not overwrite each other.
 */
export function reconcile(
  wanted: ReadonlyMap<string, string>,
  registered: ReadonlyMap<string, Registered>,
  foreign: ReadonlySet<string>,
  lease: string,
): Steps {
  const puts: RegistryOperation[] = []
  const taken: string[] = []
  for (const [key, value] of wanted) {
    const there = registered.get(key)
    if (foreign.has(key)) {
      taken.push(key)
    } else if (there === undefined) {
      puts.push({ ...putOf(key, value, lease), ifRevision: 0 })
    } else if (there.value !== value || (hasLease(key) && !there.bound)) {
      puts.push(putOf(key, value, lease))
    }
  }
  const left = [...registered].filter(([key]) => !wanted.has(key))
  const farewells = left.flatMap(([key, { value }]) => farewell(key, value, lease))
  const deletes = left.map(([key]): RegistryOperation => ({ type: 'delete', key }))
  return { commits: [...chunk([...farewells, ...puts]), ...chunk(deletes)], taken }
}

/**
 * What this agent wants, next to what other agents have. A host that two upstreams want belongs to
 * the one that is up; among those that are up, to the one that had it first. Pure.
 */
import type { RegistryOperation } from '../../registry/registry.js'
import { readRoute } from '../plan/route-claim.js'
import { isUp } from './agent-records.js'
import type { RivalRoute, Rivals } from './agent-records.js'
import type { Registered } from './reconcile.js'

/** The hosts and paths that lead to an upstream whose name nobody chose, by upstream. */
export type UnnamedUpstreams = ReadonlyMap<string, string>

export interface Contest {
  /** What is wanted, without what is withheld. */
  wanted: Map<string, string>
  /** Commits that put a route of this agent in the place of another agent's. */
  takeovers: Array<{ key: string; operations: RegistryOperation[] }>
  /** Key → why it is not registered. */
  withheld: Map<string, string>
}

export interface ContestInput {
  wanted: ReadonlyMap<string, string>
  registered: ReadonlyMap<string, Registered>
  rivals: Rivals
  unnamed: UnnamedUpstreams
}

export function contest(input: ContestInput): Contest {
  const result: Contest = { wanted: new Map(input.wanted), takeovers: [], withheld: new Map() }
  withholdUnnamed(input, result)
  const up = new Set(input.rivals.up)
  for (const [key, value] of result.wanted) {
    if (key.startsWith('instances/') && isUp(value)) {
      up.add(upstreamOf(key))
    }
  }
  for (const [key, value] of [...result.wanted]) {
    if (key.startsWith('routes/')) {
      contestRoute(key, value, up, input, result)
    }
  }
  return result
}

function upstreamOf(key: string): string {
  return key.split('/')[1] ?? ''
}

/** Containers of two machines that lead different names to one upstream meant two upstreams. */
function withholdUnnamed({ registered, rivals, unnamed }: ContestInput, result: Contest): void {
  for (const [upstream, claims] of unnamed) {
    const theirs = rivals.routes.filter((route) => route.upstream === upstream)
    const others = theirs.map(({ claim }) => claim).sort()
    const keys = [...result.wanted.keys()].filter((key) => key.startsWith(`instances/${upstream}/`))
    const isSame = [...new Set(others)].join(' ') === claims
    if (isSame || !rivals.upstreams.has(upstream) || keys.some((key) => registered.has(key))) {
      continue
    }
    const routes = [...result.wanted]
      .filter(
        ([key, value]) => key.startsWith('routes/') && readRoute(value)?.upstream === upstream,
      )
      .map(([key]) => key)
    const why =
      `another agent has an upstream ${upstream}, which other hosts lead to; ` +
      'name this one by the label sluice.upstream'
    for (const key of [...keys, ...routes]) {
      result.wanted.delete(key)
      result.withheld.set(key, why)
    }
  }
}

function contestRoute(
  key: string,
  value: string,
  up: ReadonlySet<string>,
  { registered, rivals }: ContestInput,
  result: Contest,
): void {
  const route = readRoute(value)
  const held = rivals.routes.filter(
    ({ claim, upstream }) => claim === route?.claim && upstream !== route.upstream,
  )
  if (route === undefined || held.length === 0) {
    return
  }
  const own = registered.get(key)
  const isFirst = (rival: RivalRoute) => own !== undefined && (own.revision ?? 0) < rival.revision
  const wins = (rival: RivalRoute) =>
    up.has(route.upstream) === up.has(rival.upstream) ? isFirst(rival) : up.has(route.upstream)
  const winner = held.find((rival) => !wins(rival))
  if (winner !== undefined) {
    result.wanted.delete(key)
    const why = up.has(winner.upstream) ? 'which is up and had it first' : 'which had it first'
    const owner = `upstream ${winner.upstream} of another agent, ${why}`
    const rival = `upstream ${route.upstream} wants it, too`
    result.withheld.set(key, `route ${route.claim} belongs to ${owner}; ${rival}`)
    return
  }
  const deletes = held.map((rival): RegistryOperation => ({
    type: 'delete',
    key: rival.key,
    ifRevision: rival.revision,
  }))
  const put: RegistryOperation[] =
    own === undefined ? [{ type: 'put', key, value, ifRevision: 0 }] : []
  result.takeovers.push({ key, operations: [...deletes, ...put] })
}

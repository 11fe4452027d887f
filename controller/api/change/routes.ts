/**
 * Calls about a route. Two routes may not claim the same host and path prefix under the same
 * conditions, because neither would come first.
 */
import { AGENT_ROUTES, parseKey, printKey } from '../../../contract/keys.js'
import { ROUTE_FIELDS, guardRoute } from '../../../contract/record/route.js'
import type { RouteRecord } from '../../../contract/record/route.js'
import { printConditions } from '../../../contract/record/route-match.js'
import { isStreamRoute } from '../../../contract/record/stream-route.js'
import type { StreamRouteRecord } from '../../../contract/record/stream-route.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { DesiredRoute } from '../../state/desired.js'
import { requireValid, fieldsOf } from './bodies.js'
import type { Outcome, World } from './change-call.js'
import type { Draft, Write } from './draft.js'
import { findTaken, streamRouteOf } from './stream-routes.js'

export interface RouteCallTarget {
  kind: 'route'
  id: string
}

export async function putRoute(
  draft: Draft,
  world: World,
  target: RouteCallTarget,
  body: unknown,
): Promise<Outcome> {
  const record = isStreamRoute(body) ? streamRouteOf(body, world) : hostRouteOf(body)
  const created = (await draft.read(keyOf(target))) === undefined
  await draft.put(keyOf(target), record)
  return { created, shown: showRoute(target.id, record) }
}

function hostRouteOf(body: unknown): RouteRecord {
  const fields = fieldsOf(body, ROUTE_FIELDS)
  return requireValid(guardRoute(fields), fields)
}

/**
 * `{id, hosts, pathPrefix, upstream}`, `{id, port, protocol, upstream}` or `{id, sni, upstream}`,
 * with `split` in place of `upstream`.
 */
export function showRoute(
  id: string,
  record: RouteRecord | StreamRouteRecord,
): Record<string, unknown> {
  return { id, ...record }
}

/** A route that a draft changes, against which of the calls. */
export interface Contradiction {
  call: number
  error: SluiceError
}

/**
 * Throws when a changed route claims what another has. It runs when all is planned, so that a batch
 * can swap hosts.
 */
export function findContradiction(draft: Draft, world: World): Contradiction | undefined {
  const taken = findTaken(draft, world)
  if (taken !== undefined) {
    return { call: taken.write.call, error: taken.error }
  }
  const changed = changedRoutes(draft)
  if (changed.size === 0) {
    return undefined
  }
  const hosts = [...changed.values()].flatMap(({ record }) => record?.hosts ?? [])
  const claims = claimsOf(new Set(hosts), world.desired().routes)
  const claimed = new Map<string, string>()
  for (const [id, { record, write }] of changed) {
    for (const claim of record === undefined ? [] : claimsIn(record)) {
      const holder = claims.get(claim)
      const other = claimed.get(claim) ?? (changed.has(holder ?? id) ? undefined : holder)
      if (other !== undefined && other !== id) {
        return { call: write.call, error: contradiction(record as RouteRecord, claim, other) }
      }
      claimed.set(claim, id)
    }
  }
  return undefined
}

function contradiction(record: RouteRecord, claim: string, other: string): SluiceError {
  const host = claim.slice(0, claim.indexOf('/'))
  const same = printConditions(record) === '' ? '' : ' and the same conditions'
  const what = `route ${other} has host ${host} with path prefix ${record.pathPrefix}${same} already`
  return new SluiceError('conflict', what, { field: `hosts[${record.hosts.indexOf(host)}]` })
}

function changedRoutes(
  draft: Draft,
): Map<string, { record: RouteRecord | undefined; write: Write }> {
  const changed = new Map<string, { record: RouteRecord | undefined; write: Write }>()
  for (const write of draft.writes()) {
    const key = parseKey(write.key)
    if (key?.kind === 'routes') {
      const record = isStreamRoute(write.record)
        ? undefined
        : (write.record as RouteRecord | undefined)
      changed.set(key.id, { record, write })
    }
  }
  return changed
}

/**
 * `app.example.com/api`, and the conditions: a host holds no slash, so the first one begins the
 * prefix.
 */
function claimsIn(record: RouteRecord): string[] {
  const conditions = printConditions(record)
  return record.hosts.map((host) => `${host}${record.pathPrefix}\t${conditions}`)
}

/**
 * What routes claim of these hosts, and which route it is. What containers ask for is no claim: an
 * operator's route comes first.
 */
function claimsOf(
  hosts: ReadonlySet<string>,
  routes: ReadonlyMap<string, DesiredRoute>,
): Map<string, string> {
  const claims = new Map<string, string>()
  for (const { id, record } of routes.values()) {
    // Each change looks through all routes, and few of them have one of its hosts.
    if (record.hosts.some((host) => hosts.has(host)) && !id.startsWith(AGENT_ROUTES)) {
      claimsIn(record).forEach((claim) => claims.set(claim, id))
    }
  }
  return claims
}

function keyOf({ id }: RouteCallTarget): string {
  return printKey({ kind: 'routes', id })
}

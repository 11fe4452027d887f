/**
 * Calls about a route of connections. A port has one route for TCP and one for UDP, and a name has
 * one.
 */
import { parseKey } from '../../../contract/keys.js'
import { portsIn } from '../../../contract/guard/ports.js'
import { ROUTE_FIELDS } from '../../../contract/record/route.js'
import {
  STREAM_ROUTE_FIELDS,
  guardStreamRoute,
  isSniRoute,
  isStreamRoute,
} from '../../../contract/record/stream-route.js'
import type { StreamRouteRecord } from '../../../contract/record/stream-route.js'
import { TUNING_FIELDS } from '../../../contract/record/tuning.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { StreamView } from '../../views.js'
import { claimsOf } from '../../table/stream-table.js'
import { requireValid, fieldsOf } from './bodies.js'
import type { World } from './change-call.js'
import type { Draft, Write } from './draft.js'

/**
 * The record that a body asks for. Throws `invalid`, and `conflict` where no such connection could
 * ever come in.
 */
export function streamRouteOf(body: unknown, world: World): StreamRouteRecord {
  refuseForHosts(body as Record<string, unknown>)
  const fields = fieldsOf(body, STREAM_ROUTE_FIELDS)
  const record = requireValid(guardStreamRoute(fields), fields)
  const [field, closed] =
    record.port === undefined
      ? ['sni', whyNoNames(world.stream())]
      : ['port', whyClosed(world.stream(), record.port)]
  if (closed !== undefined) {
    throw new SluiceError('conflict', closed, { field })
  }
  const tuned = TUNING_FIELDS.find((name) => name in record)
  if (tuned !== undefined && record.port !== undefined) {
    refuseUntuned(world.stream(), record.port, tuned)
  }
  return record
}

function refuseUntuned({ tuned }: StreamView, port: number, field: string): void {
  if (!portsIn(tuned).includes(port)) {
    const which = tuned === '' ? 'none is' : `those are ${tuned}`
    const what = `${field} needs a tuned port (setting tunedPorts), and port ${port} is not tuned: ${which}`
    throw new SluiceError('conflict', what, { field })
  }
}

/** A connection has no path and no headers. Who names hosts and a port means one of the two. */
function refuseForHosts(body: Record<string, unknown>): void {
  const field = ROUTE_FIELDS.find((name) => name in body && !STREAM_ROUTE_FIELDS.includes(name))
  if (field !== undefined) {
    const own = ['sni', 'port', 'protocol'].find((name) => name in body) ?? 'port'
    const what = `${field} is for routes of requests (by hosts); a route with ${own} cannot have it`
    throw new SluiceError('invalid', what, { field })
  }
}

function whyClosed({ ports, reason }: StreamView, port: number): string | undefined {
  if (portsIn(ports).includes(port)) {
    return undefined
  }
  return ports === ''
    ? `no port is open for routes at this gateway: ${reason ?? 'the setting streamPorts is off, or other programs use all of its ports'}`
    : `port ${port} is not open for routes; open are ${ports} (setting streamPorts)`
}

function whyNoNames({ passthrough, reason }: StreamView): string | undefined {
  const off =
    'the setting passthrough is false, or httpsPort is 0, or nginx lacks ngx_stream_ssl_preread_module or ngx_stream_pass_module'
  return passthrough
    ? undefined
    : `this gateway passes no TLS connection through by name: ${reason ?? off}`
}

interface Changed {
  record: StreamRouteRecord | undefined
  write: Write
}

/** Any changed route of connections whose port or name another has, and who has it. */
export function findTaken(
  draft: Draft,
  world: Pick<World, 'desired'>,
): { write: Write; error: SluiceError } | undefined {
  const changed = changedIn(draft)
  const taken = new Map<string, string>()
  for (const { id, record } of changed.size === 0 ? [] : world.desired().streamRoutes.values()) {
    for (const claim of changed.has(id) ? [] : claimsOf(record)) {
      taken.set(claim, id)
    }
  }
  for (const [id, { record, write }] of changed) {
    for (const [i, claim] of record === undefined ? [] : claimsOf(record).entries()) {
      const other = taken.get(claim)
      if (record !== undefined && other !== undefined) {
        return { write, error: conflict(record, i, other) }
      }
      taken.set(claim, id)
    }
  }
  return undefined
}

function conflict(record: StreamRouteRecord, i: number, other: string): SluiceError {
  const [field, what] = isSniRoute(record)
    ? [`sni[${i}]`, `${record.sni[i]}${record.port === undefined ? '' : ` at port ${record.port}`}`]
    : ['port', `${record.protocol} port ${record.port}`]
  return new SluiceError('conflict', `route ${other} has ${what} already`, { field })
}

function changedIn(draft: Draft): Map<string, Changed> {
  const changed = new Map<string, Changed>()
  for (const write of draft.writes()) {
    const key = parseKey(write.key)
    if (key?.kind === 'routes') {
      const record = isStreamRoute(write.record) ? (write.record as StreamRouteRecord) : undefined
      changed.set(key.id, { record, write })
    }
  }
  return changed
}

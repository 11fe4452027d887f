/** Calls about a route of connections. A port has one route for TCP and one for UDP. */
import { parseKey } from '../../contract/keys.js'
import { portsIn } from '../../contract/ports.js'
import { checkStreamRoute, isStreamRoute } from '../../contract/stream-route.js'
import type { StreamRouteRecord } from '../../contract/stream-route.js'
import { SluiceError } from '../../runtime/errors.js'
import { portName } from '../stream-table.js'
import { accept, fieldsOf } from './bodies.js'
import type { World } from './changes.js'
import type { Draft, Write } from './draft.js'

const FIELDS = ['port', 'protocol', 'upstream', 'split']

/** The record that a body asks for. Throws `invalid`, and `conflict` where no such connection could ever come in. */
export function streamRouteOf(body: unknown, world: World): StreamRouteRecord {
  const record = accept(checkStreamRoute(fieldsOf(body, FIELDS)))
  const { ports, reason } = world.stream()
  if (!portsIn(ports).includes(record.port)) {
    const what =
      ports === ''
        ? `no port is open for routes at this gateway: ${reason ?? 'stream-ports is off, or all of them are in use by others'}`
        : `port ${record.port} is not open for routes; open are ${ports} (setting streamPorts)`
    throw new SluiceError('conflict', what, { field: 'port' })
  }
  return record
}

/** Any changed route of connections whose port another has, and who has it. */
export function findPortTaken(
  draft: Draft,
  world: Pick<World, 'desired'>,
): { write: Write; error: SluiceError } | undefined {
  const changed = changedIn(draft)
  const taken = new Map<string, string>()
  for (const { id, record } of world.desired().streamRoutes.values()) {
    if (!changed.has(id)) {
      taken.set(portName(record), id)
    }
  }
  for (const [id, { record, write }] of changed) {
    const name = record === undefined ? '' : portName(record)
    const other = taken.get(name)
    if (record !== undefined && other !== undefined) {
      const what = `route ${other} has ${record.protocol} port ${record.port} already`
      return { write, error: new SluiceError('conflict', what, { field: 'port' }) }
    }
    taken.set(name, id)
  }
  return undefined
}

function changedIn(
  draft: Draft,
): Map<string, { record: StreamRouteRecord | undefined; write: Write }> {
  const changed = new Map<string, { record: StreamRouteRecord | undefined; write: Write }>()
  for (const write of draft.writes()) {
    const key = parseKey(write.key)
    if (key?.kind === 'routes') {
      const value: unknown = write.value === undefined ? undefined : JSON.parse(write.value)
      const record = isStreamRoute(value) ? (value as StreamRouteRecord) : undefined
      changed.set(key.id, { record, write })
    }
  }
  return changed
}

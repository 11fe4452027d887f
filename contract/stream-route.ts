/** Routes of connections: a port to an upstream, or to several by weight. */
import { checkShape, right, wrong } from './checked.js'
import type { Checked } from './checked.js'
import { isWhole } from './names.js'
import { checkTarget } from './route.js'
import type { SplitArm } from './route-split.js'

/** `routes/<id>`: one of the ports that are open for this. Exactly one of `upstream` and `split` is set. */
export interface StreamRouteRecord {
  port: number
  protocol: 'tcp' | 'udp'
  upstream?: string
  split?: SplitArm[]
}

/** Whether a route that is about to be checked means to be one of these. */
export function isStreamRoute(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('port' in value || 'protocol' in value)
}

/** `{port: 9100, protocol: "tcp", upstream: "db"}` */
export function checkStreamRoute(value: unknown): Checked<StreamRouteRecord> {
  const shape = checkShape(value, ['port', 'protocol', 'upstream', 'split'])
  if (!shape.ok) {
    return shape
  }
  const port = shape.value.port
  const protocol = shape.value.protocol
  if (!isWhole(port, 1, 65535)) {
    return wrong('port', 'must be a whole number from 1 to 65535')
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    return wrong('protocol', 'must be tcp or udp')
  }
  const target = checkTarget(shape.value, false)
  if (!target.ok) {
    return target
  }
  const arms = target.value.split || []
  for (let i = 0; i < arms.length; i++) {
    const arm = arms[i] as SplitArm
    const field = arm.when !== undefined ? 'when' : arm.where !== undefined ? 'where' : ''
    if (field !== '') {
      return wrong('split[' + i + '].' + field, 'is for requests, so for routes by host')
    }
  }
  const head: Pick<StreamRouteRecord, 'port' | 'protocol'> = { port: port, protocol: protocol }
  return right(Object.assign(head, target.value))
}

/**
 * Routes of connections: a port, or names that TLS clients ask for, to an upstream, or to several
 * by weight.
 */
import { guardShape, right, wrong } from '../guard/guarded.js'
import type { Guarded, Fields } from '../guard/guarded.js'
import { isHost, isWhole } from '../guard/names.js'
import { guardTarget } from './route.js'
import type { RouteTarget } from './route.js'
import { spellHost } from './route-match.js'
import type { SplitArm } from './route-split.js'
import { TUNING_FIELDS, guardTuning } from './tuning.js'
import type { Tuning } from './tuning.js'

export type Transport = 'tcp' | 'udp'

/** Exactly one of upstream and split is set. */
interface StreamTarget extends Tuning {
  upstream?: string
  split?: SplitArm[]
}

/** A route for all connections to a port, one of those that are open for routes. */
interface PortRouteRecord extends StreamTarget {
  port: number
  protocol: Transport
}

/**
 * TLS that is passed through as it comes, where the client asks for one of these names:
 * `app.example.com`, `*.example.com`.
 */
export interface SniRouteRecord extends StreamTarget {
  sni: string[]
  /**
   * One of the ports that are open for routes; absent: the HTTPS port, where other names are
   * terminated.
   */
  port?: number
}

/** `routes/<id>` */
export type StreamRouteRecord = PortRouteRecord | SniRouteRecord

export const STREAM_ROUTE_FIELDS = ['port', 'protocol', 'sni', 'upstream', 'split'].concat(
  TUNING_FIELDS,
)

const PORT_RULE = 'must be a whole number from 1 to 65535'
const MOST_NAMES = 256
const NAME_RULE =
  'must be a host name such as app.example.com, *.example.com for all below it, or .example.com for both. ' +
  'Letters beyond ASCII are written as DNS has them: xn--…'

/** Whether a value that no guard has seen yet is meant as such a route. */
export function isStreamRoute(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    ('port' in value || 'protocol' in value || 'sni' in value)
  )
}

export function isSniRoute(record: StreamRouteRecord): record is SniRouteRecord {
  return 'sni' in record
}

/**
 * `{port: 9100, protocol: "tcp", upstream: "db"}`, `{sni: ["db.example.com"], upstream: "db"}`, or
 * that with a port
 */
export function guardStreamRoute(value: unknown): Guarded<StreamRouteRecord> {
  const shape = guardShape(value, STREAM_ROUTE_FIELDS)
  if (!shape.ok) {
    return shape
  }
  return 'sni' in shape.value ? guardSniRoute(shape.value) : guardPortRoute(shape.value)
}

function guardPortRoute(fields: Fields): Guarded<PortRouteRecord> {
  const port = fields.port
  const protocol = fields.protocol
  if (!isWhole(port, 1, 65535)) {
    return wrong('port', PORT_RULE)
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    return wrong('protocol', 'must be tcp or udp')
  }
  const target = guardStreamTarget(fields)
  const head: Pick<PortRouteRecord, 'port' | 'protocol'> = { port: port, protocol: protocol }
  return target.ok ? right(Object.assign(head, target.value)) : target
}

function guardSniRoute(fields: Fields): Guarded<SniRouteRecord> {
  if (fields.protocol !== undefined) {
    return wrong('protocol', 'cannot stand beside sni: TLS is over TCP')
  }
  const port = fields.port
  if (port !== undefined && !isWhole(port, 1, 65535)) {
    return wrong('port', PORT_RULE)
  }
  const names = guardNames(fields.sni)
  if (!names.ok) {
    return names
  }
  const target = guardStreamTarget(fields)
  const head: SniRouteRecord = { sni: names.value }
  if (port !== undefined) {
    head.port = port
  }
  return target.ok ? right(Object.assign(head, target.value)) : target
}

function guardNames(value: unknown): Guarded<string[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_NAMES) {
    return wrong('sni', 'must be a list of 1 to ' + MOST_NAMES + ' host names')
  }
  const names: string[] = []
  for (let i = 0; i < value.length; i++) {
    const name: unknown = value[i]
    const spelled = typeof name === 'string' ? spellHost(name) : []
    const problem = spelled.length === 0 ? NAME_RULE : wrongName(spelled)
    if (problem !== '') {
      return wrong('sni[' + i + ']', problem)
    }
    if (spelled.some((each) => names.indexOf(each) >= 0)) {
      return wrong('sni[' + i + ']', 'is named twice')
    }
    spelled.forEach((each) => names.push(each))
  }
  return right(names)
}

function wrongName(spelled: string[]): string {
  const isRight = spelled.every((each) => each.length <= 253 && isHost(each.replace(/^\*\./, '')))
  if (!isRight) {
    return NAME_RULE
  }
  const last = (spelled[0] as string).split('.').pop() as string
  return /^\d+$/.test(last) ? 'is an address, and TLS clients send names alone' : ''
}

function guardStreamTarget(fields: Fields): Guarded<RouteTarget & Tuning> {
  const target = guardTarget(fields, false)
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
  const tuning = guardTuning(fields)
  return tuning.ok ? right(Object.assign({}, target.value, tuning.value)) : tuning
}

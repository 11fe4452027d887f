/**
 * How the instances of an upstream are checked, and its guard. Same promises as the guards in
 * instance-record.ts.
 */
import { isObject, isText, wrong } from '../guard/guarded.js'
import type { Guarded, Fields } from '../guard/guarded.js'
import { isWhole } from '../guard/names.js'
import { headersProblem, isHostHeader, parseStatuses } from './check-request.js'

export type CheckType = 'http' | 'tcp' | 'grpc'

/**
 * `upstreams/<upstream>`, in `policy.check`: what every gateway's controller asks each instance,
 * and what it concludes.
 */
export interface CheckPolicy {
  type: CheckType
  /** 500 to 3600000, 5000 if left out. From one check to the next. */
  intervalMs: number
  /**
   * 50 to 60000 and not above `intervalMs`; 2000, or `intervalMs` if that is less, if left out. For
   * the whole answer.
   */
  timeoutMs: number
  /** 1 to 100, 2 if left out: passes in a row that bring an instance back. */
  rise: number
  /** 1 to 100, 3 if left out: fails in a row that take it out. */
  fall: number
  /** 0 to 50, 10 if left out: each check is late by up to this share of the interval. */
  jitterPercent: number
  /**
   * What an instance is until its checks say otherwise; `up` if left out. `down`: it gets no
   * requests before its first pass, and that one is enough (as `mandatory` in NGINX Plus); with
   * `up` it serves until `fall` fails, as in HAProxy.
   */
  initial: 'up' | 'down'
  /** The check's own port; absent: the instance's. */
  port?: number
  /** http: `GET` (if left out), `HEAD`, `OPTIONS` or `POST`, without a body. */
  method?: string
  /** http: path and query as they are sent; `/` if left out. */
  path?: string
  /** http: at most 32. */
  headers?: Record<string, string>
  /** http: `200-399` (if left out), or a list such as `200,204,300-399`. */
  statuses?: string
  /** http: what the first 64 KB of the answer's body must contain. */
  body?: string
  /**
   * http: the Host header; absent: the name that the upstream's instances are asked for over TLS,
   * or `<ip>:<port>`.
   */
  host?: string
  /**
   * http: over TLS or without; absent: as the upstream. Over TLS where the upstream is without, no
   * certificate is verified.
   */
  tls?: boolean
  /**
   * grpc: the service of `grpc.health.v1.Health/Check`; `''`, the server as a whole, if left out.
   */
  service?: string
}

/** A field, whether it is right, and what it must be. */
type Rule = [string, boolean, string]

const COMMON = 'type intervalMs timeoutMs rise fall jitterPercent initial port'.split(' ')
const HTTP = 'method path headers statuses body host tls'.split(' ')
const GRPC = ['service']

function has(list: string[], item: unknown): boolean {
  return typeof item === 'string' && list.indexOf(item) >= 0
}

function commonRules(fields: Fields): Rule[] {
  const interval = fields.intervalMs
  const most = isWhole(interval, 500, 60000) ? interval : 60000
  return [
    [
      'intervalMs',
      isWhole(interval, 500, 3600000),
      'must be a whole number of milliseconds from 500 to 3600000',
    ],
    [
      'timeoutMs',
      isWhole(fields.timeoutMs, 50, 60000),
      'must be a whole number of milliseconds from 50 to 60000',
    ],
    ['timeoutMs', isWhole(fields.timeoutMs, 50, most), 'must not be above intervalMs, ' + most],
    ['rise', isWhole(fields.rise, 1, 100), 'must be a whole number from 1 to 100'],
    ['fall', isWhole(fields.fall, 1, 100), 'must be a whole number from 1 to 100'],
    ['jitterPercent', isWhole(fields.jitterPercent, 0, 50), 'must be a whole number from 0 to 50'],
    ['initial', has(['up', 'down'], fields.initial), 'must be up or down'],
    [
      'port',
      fields.port === undefined || isWhole(fields.port, 1, 65535),
      'must be a whole number from 1 to 65535',
    ],
  ]
}

/** What is asked for. */
function requestRules(fields: Fields): Rule[] {
  const headers = fields.headers === undefined ? null : headersProblem(fields.headers)
  return [
    [
      'method',
      has(['GET', 'HEAD', 'OPTIONS', 'POST'], fields.method),
      'must be GET, HEAD, OPTIONS or POST',
    ],
    [
      'path',
      typeof fields.path === 'string' && /^\/[\x21\x22\x24-\x7e]{0,1023}$/.test(fields.path),
      'must be a path such as /healthz of at most 1024 printable ASCII characters, without spaces and #',
    ],
    ['headers', headers === null, headers === null ? '' : headers],
    [
      'host',
      fields.host === undefined || isHostHeader(fields.host),
      'must be a host such as app.example.com or app.example.com:8080',
    ],
    ['tls', fields.tls === undefined || typeof fields.tls === 'boolean', 'must be true or false'],
  ]
}

/** What must be answered. */
function answerRules(fields: Fields): Rule[] {
  const body = fields.body
  return [
    [
      'statuses',
      parseStatuses(fields.statuses) !== null,
      'must be a list such as 200-399 or 200,204, of statuses from 200 to 599',
    ],
    [
      'body',
      body === undefined || (isText(body, 1024) && body !== ''),
      'must be a text of 1 to 1024 characters, without control characters',
    ],
    ['body', body === undefined || fields.method !== 'HEAD', 'cannot be had by the method HEAD'],
  ]
}

function grpcRules(fields: Fields): Rule[] {
  return [
    [
      'service',
      typeof fields.service === 'string' && /^[A-Za-z0-9_./-]{0,256}$/.test(fields.service),
      'must be the name of a service such as shop.Cart, or empty',
    ],
  ]
}

function rulesOf(fields: Fields, type: CheckType): Rule[] {
  const common = commonRules(fields)
  if (type === 'http') {
    return common.concat(requestRules(fields), answerRules(fields))
  }
  return type === 'grpc' ? common.concat(grpcRules(fields)) : common
}

/** Fields that are none, or that belong to another type; undefined counts as left out. */
function strayField(fields: Fields, type: CheckType): Rule | null {
  const own = type === 'http' ? HTTP : type === 'grpc' ? GRPC : []
  const stray = Object.keys(fields).filter(
    (name) => fields[name] !== undefined && COMMON.indexOf(name) < 0 && own.indexOf(name) < 0,
  )
  if (stray.length === 0) {
    return null
  }
  const name = stray[0] as string
  const owner = HTTP.indexOf(name) >= 0 ? 'http' : GRPC.indexOf(name) >= 0 ? 'grpc' : ''
  return [
    name,
    false,
    owner === '' ? 'is not a known field' : 'is for type ' + owner + ' alone, and type is ' + type,
  ]
}

function withDefaults(fields: Fields, type: CheckType): Fields {
  const interval = fields.intervalMs === undefined ? 5000 : fields.intervalMs
  const common = {
    intervalMs: interval,
    timeoutMs: isWhole(interval, 500, 2000) ? interval : 2000,
    rise: 2,
    fall: 3,
    jitterPercent: 10,
    initial: 'up',
  }
  const own =
    type === 'http'
      ? { method: 'GET', path: '/', statuses: '200-399' }
      : type === 'grpc'
        ? { service: '' }
        : {}
  return Object.assign({}, common, own, fields)
}

/** The known fields that are there; one that is undefined would hide a default. */
function present(value: Fields): Fields {
  const fields: Fields = {}
  COMMON.concat(HTTP, GRPC).forEach((name) => {
    if (value[name] !== undefined) {
      fields[name] = value[name]
    }
  })
  return fields
}

/** `{type: "http", path: "/healthz"}` → the policy with every default of its type filled in. */
export function guardCheckPolicy(value: unknown): Guarded<CheckPolicy> {
  if (!isObject(value)) {
    return wrong('', 'must be an object')
  }
  if (!has(['http', 'tcp', 'grpc'], value.type)) {
    return wrong('type', 'must be http, tcp or grpc')
  }
  const type = value.type as CheckType
  const stray = strayField(value, type)
  if (stray !== null) {
    return wrong(stray[0], stray[2])
  }
  const fields = withDefaults(present(value), type)
  const bad = rulesOf(fields, type).filter((rule) => !rule[1])
  if (bad.length > 0) {
    const first = bad[0] as Rule
    return wrong(first[0], first[2])
  }
  if (type === 'http' && fields.headers !== undefined) {
    fields.headers = Object.assign({}, fields.headers)
  }
  return { ok: true, value: fields as unknown as CheckPolicy }
}

/**
 * The registry's records and their guards. A guard takes anything, answers either the record (rebuilt from known
 * fields alone) or which field is wrong and why. It never throws and never repairs.
 */
import { parseIp, printIp, refuseIp } from './address.js'
import type { AddressPolicy } from './address.js'
import { isHostPattern, isName, isPathPrefix, isWhole } from './names.js'
import { DEFAULT_POLICY, checkPolicy } from './policy.js'
import type { Policy } from './policy.js'

export type Checked<T> = { ok: true; value: T } | { ok: false; field: string; message: string }

export type InstanceState = 'up' | 'draining' | 'down'

/** `upstreams/<upstream>`: an upstream's own settings. It exists without this record once an instance names it. */
export interface UpstreamRecord {
  policy: Policy
}

/** `instances/<upstream>/<id>`: one process that serves. `host` is an IP literal in Sluice's spelling. */
export interface InstanceRecord {
  host: string
  port: number
  /** 1 to 1000; its share of the upstream's requests is weight / sum of weights. */
  weight: number
  /** What whoever registered it knows of it; an override is kept apart. */
  state: InstanceState
  /** Why the state is not `up`; at most 200 characters. */
  reason?: string
  metadata?: Record<string, string>
  /** At most this many requests at a time, counted over all workers of a gateway. Absent: no limit. */
  maxConns?: number
  /** Serves only while no other instance of the upstream does. */
  backup?: true
  /** Where it runs; a gateway of the same zone asks it first. */
  zone?: string
  /** Milliseconds within which it must be put again, or it goes. Absent: it stays. */
  ttlMs?: number
  /** The agent that registered it; absent when it came by REST. */
  agent?: string
  /** Set in the moment before it is deleted on purpose; a delete without it is a lost lease. */
  gone?: true
}

/** `overrides/<upstream>/<id>`: what an operator decided; outlives the instance's registration. */
export interface OverrideRecord {
  drain: true
  reason?: string
  /** Unix time in milliseconds. */
  atMs: number
}

export interface SplitArm {
  upstream: string
  weight: number
}

/** `routes/<id>`: hosts (and a path prefix) to one upstream or to several by weight. Exactly one of the two is set. */
export interface RouteRecord {
  hosts: string[]
  pathPrefix: string
  upstream?: string
  split?: SplitArm[]
}

/** What a gateway itself found out about an instance, for people. */
export interface GatewayCondition {
  state: 'up' | 'down'
  reason: string
}

/** `gateways/<id>` (leased): what a gateway has, as its controller last saw. */
export interface GatewayRecord {
  applied: number
  connected: boolean
  workers: number
  nginx: string
  njs: string
  /** In-flight requests of draining instances, by `<upstream>/<id>`. */
  active: Record<string, number>
  /** Instances that are down for this gateway, or would be, by `<upstream>/<id>`; those that merely warm up are left out. */
  conditions: Record<string, GatewayCondition>
}

/** `hosts/<id>` (leased): an agent that is alive. */
export interface HostRecord {
  address: string
  containers: number
}

type Fields = Record<string, unknown>

function wrong<T>(field: string, message: string): Checked<T> {
  return { ok: false, field: field, message: message }
}

function right<T>(value: T): Checked<T> {
  return { ok: true, value: value }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first field of `value` that is none of `known`, or null. */
function unknownField(value: Fields, known: string[]): string | null {
  const extra = Object.keys(value).filter((key) => known.indexOf(key) < 0)
  return extra.length > 0 ? (extra[0] as string) : null
}

function checkShape(value: unknown, known: string[]): Checked<Fields> {
  if (!isObject(value)) {
    return wrong('', 'must be an object')
  }
  const extra = unknownField(value, known)
  return extra === null ? right(value) : wrong(extra, 'is not a known field')
}

function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length <= most && !/[\u0000-\u001f\u007f]/.test(value)
}

function checkMetadata(value: unknown): string | null {
  if (!isObject(value)) {
    return 'must be an object of strings'
  }
  const keys = Object.keys(value)
  if (keys.length > 32) {
    return 'must have at most 32 entries'
  }
  const bad = keys.filter((key) => !/^[A-Za-z0-9_.-]{1,64}$/.test(key) || !isText(value[key], 256))
  return bad.length > 0
    ? 'entry ' +
        JSON.stringify((bad[0] as string).slice(0, 64)) +
        ' must be a plain name with a text of at most 256'
    : null
}

/** The host in Sluice's spelling, or why it is refused. */
export function checkHost(value: unknown, policy: AddressPolicy): Checked<string> {
  const bytes = typeof value === 'string' && value.length <= 64 ? parseIp(value) : null
  if (bytes === null) {
    return wrong('host', 'must be an IP address literal such as 10.0.0.7 or fd00::7')
  }
  const refused = refuseIp(bytes, policy)
  return refused === null
    ? right(printIp(bytes))
    : wrong('host', printIp(bytes) + ' is ' + refused + ', which is not allowed')
}

const INSTANCE_FIELDS =
  'host port weight state reason metadata maxConns backup zone ttlMs agent gone'.split(' ')

type FieldRule = [string, (value: unknown) => boolean, string]

/** Each holds for a field that is there; the first three must be. */
const INSTANCE_RULES: FieldRule[] = [
  ['port', (v) => isWhole(v, 1, 65535), 'must be a whole number from 1 to 65535'],
  [
    'weight',
    (v) => isWhole(v, 1, 1000),
    'must be a whole number from 1 to 1000; to stop traffic, drain',
  ],
  ['state', (v) => v === 'up' || v === 'draining' || v === 'down', 'must be up, draining or down'],
  ['reason', (v) => isText(v, 200), 'must be a text of at most 200 characters'],
  [
    'ttlMs',
    (v) => isWhole(v, 1000, 86400000),
    'must be a whole number of milliseconds from 1000 to 86400000',
  ],
  ['maxConns', (v) => isWhole(v, 1, 65535), 'must be a whole number from 1 to 65535'],
  ['backup', (v) => v === true, 'must be true or absent'],
  ['zone', isName, 'must be a name such as eu-1a'],
  ['agent', isName, 'must be a name'],
  ['gone', (v) => v === true, 'must be true or absent'],
]
const REQUIRED = ['port', 'weight', 'state']

function checkInstanceFields(fields: Fields): Checked<Fields> {
  const bad = INSTANCE_RULES.filter((rule) => {
    const value = fields[rule[0]]
    return !(value === undefined && REQUIRED.indexOf(rule[0]) < 0) && !rule[1](value)
  })[0]
  if (bad !== undefined) {
    return wrong(bad[0], bad[2])
  }
  const metadata = fields.metadata === undefined ? null : checkMetadata(fields.metadata)
  return metadata === null ? right(fields) : wrong('metadata', metadata)
}

/**
 * `{host: "10.0.0.7", port: 80}` → the record with `weight` 1 and `state` up filled in.
 * `policy` says whether loopback addresses may serve.
 */
export function checkInstance(value: unknown, policy: AddressPolicy): Checked<InstanceRecord> {
  const shape = checkShape(value, INSTANCE_FIELDS)
  if (!shape.ok) {
    return shape
  }
  const fields = Object.assign({ weight: 1, state: 'up' }, shape.value)
  const host = checkHost(fields.host, policy)
  if (!host.ok) {
    return host
  }
  const checked = checkInstanceFields(fields)
  if (!checked.ok) {
    return checked
  }
  return right(Object.assign({}, fields, { host: host.value }) as unknown as InstanceRecord)
}

/** `{policy: {balance: "random"}}`; both levels may be left out, and each part of the policy (contract/policy.ts). */
export function checkUpstream(value: unknown): Checked<UpstreamRecord> {
  const shape = checkShape(value, ['policy'])
  if (!shape.ok) {
    return shape
  }
  if (shape.value.policy === undefined) {
    return right({ policy: DEFAULT_POLICY })
  }
  const policy = checkPolicy(shape.value.policy)
  return policy.ok
    ? right({ policy: policy.value })
    : wrong(policy.field === '' ? 'policy' : 'policy.' + policy.field, policy.message)
}

/** `{drain: true, atMs: 1770000000000, reason: "deploy"}` */
export function checkOverride(value: unknown): Checked<OverrideRecord> {
  const shape = checkShape(value, ['drain', 'reason', 'atMs'])
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  if (fields.drain !== true) {
    return wrong('drain', 'must be true')
  }
  if (!isWhole(fields.atMs, 0, Number.MAX_SAFE_INTEGER)) {
    return wrong('atMs', 'must be a time in milliseconds')
  }
  return fields.reason === undefined || isText(fields.reason, 200)
    ? right(fields as unknown as OverrideRecord)
    : wrong('reason', 'must be a text of at most 200 characters')
}

function checkArm(arm: unknown): Checked<SplitArm> {
  const shape = checkShape(arm, ['upstream', 'weight'])
  if (!shape.ok) {
    return shape
  }
  if (!isName(shape.value.upstream)) {
    return wrong('upstream', 'must be the name of an upstream')
  }
  return isWhole(shape.value.weight, 1, 1000)
    ? right({ upstream: shape.value.upstream, weight: shape.value.weight })
    : wrong('weight', 'must be a whole number from 1 to 1000')
}

function checkSplit(value: unknown): Checked<SplitArm[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > 16) {
    return wrong('split', 'must be a list of 1 to 16 {upstream, weight}')
  }
  const arms = value.map(checkArm)
  for (let i = 0; i < arms.length; i++) {
    const arm = arms[i] as Checked<SplitArm>
    if (!arm.ok) {
      return wrong('split[' + i + ']' + (arm.field === '' ? '' : '.' + arm.field), arm.message)
    }
  }
  return right(arms.map((arm) => (arm as { value: SplitArm }).value))
}

function checkHosts(value: unknown): Checked<string[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > 256) {
    return wrong('hosts', 'must be a list of 1 to 256 host names')
  }
  const hosts = value.map((host: unknown) =>
    typeof host === 'string' ? host.toLowerCase().replace(/\.$/, '') : host,
  )
  for (let i = 0; i < hosts.length; i++) {
    if (!isHostPattern(hosts[i])) {
      return wrong(
        'hosts[' + i + ']',
        'must be a host name such as app.example.com or *.example.com',
      )
    }
    if (hosts.indexOf(hosts[i]) !== i) {
      return wrong('hosts[' + i + ']', 'is named twice')
    }
  }
  return right(hosts as string[])
}

/** `{hosts: ["app.example.com"], pathPrefix: "/api", upstream: "web"}`; `pathPrefix` is `/` when left out. */
export function checkRoute(value: unknown): Checked<RouteRecord> {
  const shape = checkShape(value, ['hosts', 'pathPrefix', 'upstream', 'split'])
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  const hosts = checkHosts(fields.hosts)
  if (!hosts.ok) {
    return hosts
  }
  const prefix = fields.pathPrefix === undefined ? '/' : fields.pathPrefix
  if (!isPathPrefix(prefix)) {
    return wrong(
      'pathPrefix',
      'must be / or a path such as /api, without % and without a trailing /',
    )
  }
  if ((fields.upstream === undefined) === (fields.split === undefined)) {
    return wrong('upstream', 'or split must be given, and not both')
  }
  if (fields.split === undefined) {
    return isName(fields.upstream)
      ? right({ hosts: hosts.value, pathPrefix: prefix, upstream: fields.upstream })
      : wrong('upstream', 'must be the name of an upstream')
  }
  const split = checkSplit(fields.split)
  return split.ok ? right({ hosts: hosts.value, pathPrefix: prefix, split: split.value }) : split
}

/**
 * The registry's records and their guards. A guard takes anything, answers either the record
 * (rebuilt from known fields alone) or which field is wrong and why. It never throws and never
 * repairs.
 */
import type { Code } from '../codes.js'
import { parseIp, printIp, refuseIp } from '../guard/address.js'
import type { AddressPolicy } from '../guard/address.js'
import { brokenRule, checkShape, isText, right, fieldIn, wrong } from '../guard/checked.js'
import type { Checked, FieldRule, Fields } from '../guard/checked.js'
import { checkMetadata } from '../guard/metadata.js'
import { isName, isWhole } from '../guard/names.js'
import { checkPeerTls } from './peer-tls.js'
import type { PeerTls } from './peer-tls.js'
import { DEFAULT_POLICY, checkPolicy } from './policy.js'
import type { Policy } from './policy.js'

/** HTTP/2 is spoken with gRPC too, but another module of nginx does that. */
export type InstanceProtocol = 'grpc' | 'h2'

export type InstanceState = 'up' | 'draining' | 'down'

/**
 * `upstreams/<upstream>`: an upstream's own settings. It exists without this record once an
 * instance names it.
 */
export interface UpstreamRecord {
  policy: Policy
  /** Absent: without TLS. */
  tls?: PeerTls
  /** What instances speak. Absent: HTTP/1.1. */
  protocol?: InstanceProtocol
}

/**
 * `instances/<upstream>/<id>`: one process that serves. `host` is an IP literal in Sluice's
 * spelling.
 */
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
  /**
   * At most this many requests at a time, counted over all workers of a gateway. Absent: no limit.
   */
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

/** What a gateway itself found out about an instance, for people. */
export interface GatewayCondition {
  state: 'up' | 'down'
  reason: string
}

/** A value of the registry that a gateway refuses. */
export interface RefusedValue {
  key: string
  /** Which field, and what is wrong with it. */
  message: string
  /** Of the value. */
  revision: number
}

/**
 * `gateways/<id>`: what a gateway has, as its controller last saw. It is under no lease: it stands
 * until the gateway leaves by itself, or an operator forgets it. Whether its controller lives is
 * said by `presence/<id>`, which is under a lease and says since when.
 */
export interface GatewayRecord {
  applied: number
  connected: boolean
  workers: number
  nginx: string
  njs: string
  /** In-flight requests of draining instances, by `<upstream>/<id>`. */
  active: Record<string, number>
  /**
   * Instances that are down for this gateway, or would be, by `<upstream>/<id>`; those that merely
   * warm up are left out.
   */
  conditions: Record<string, GatewayCondition>
  /** Why it is not level, for people, and the code of that. */
  reason?: string
  code?: Code
  /** Values that it does not take as they stand: not all of them, where they are many. */
  refused?: RefusedValue[]
  /** Unix milliseconds of the writing. Absent in records of before, which were under a lease. */
  atMs?: number
  /** Unix milliseconds since which `connected` is as it is. */
  sinceAtMs?: number
  /** Unix milliseconds at which Sluice fetched the nginx that runs. Absent: it did not. */
  nginxFetchedAtMs?: number
}

/** `presence/<id>` (leased): the controller of a gateway lives. */
export interface PresenceRecord {
  /** Unix milliseconds since which it does. */
  sinceAtMs: number
}

/** Something that an agent found wrong with what it registers. */
export interface AgentProblem {
  /** A host or port that several upstreams want; an address that the agent does not reach. */
  code: 'host_contested' | 'address_unreached'
  /** `app.example.com/`, `tcp 9100`; `10.0.0.5:8080` */
  subject: string
  /** For people; at most 300 characters. */
  message: string
  /** Unix milliseconds. */
  sinceAtMs: number
}

/** `hosts/<id>` (leased): an agent that is alive. */
export interface HostRecord {
  address: string
  containers: number
  /**
   * Set while its container engine is out of reach, or answers and is not believed (`isDoubted`):
   * the reason, for people, and since when (Unix ms).
   */
  engine?: { reason: string; sinceAtMs: number; isDoubted?: true }
  /** Absent: none. */
  problems?: AgentProblem[]
  /** The machine's name, for people. */
  name?: string
  /**
   * What tells two machines with one agent id apart: the mark of the home, and the machine's start.
   */
  owner?: string
  boot?: string
}

/** The host in Sluice's spelling, or why it is refused. */
function checkHost(value: unknown, policy: AddressPolicy): Checked<string> {
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

function checkInstanceFields(fields: Fields): Checked<Fields> {
  const bad = brokenRule(fields, INSTANCE_RULES, ['port', 'weight', 'state'])
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

/** The fields of an upstream's record, beside its instances. */
export const UPSTREAM_FIELDS = ['policy', 'tls', 'protocol']

/**
 * `{policy: {balance: "random"}, tls: {serverName: "shop.internal"}}`; all may be left out, and
 * each part of the policy.
 */
export function checkUpstream(value: unknown): Checked<UpstreamRecord> {
  const shape = checkShape(value, UPSTREAM_FIELDS)
  if (!shape.ok) {
    return shape
  }
  const given = shape.value
  const policy = given.policy === undefined ? right(DEFAULT_POLICY) : checkPolicy(given.policy)
  if (!policy.ok) {
    return wrong(fieldIn('policy', policy.field), policy.message)
  }
  const record: UpstreamRecord = { policy: policy.value }
  if (given.tls !== undefined) {
    const tls = checkPeerTls(given.tls)
    if (!tls.ok) {
      return wrong(fieldIn('tls', tls.field), tls.message)
    }
    record.tls = tls.value
  }
  return given.protocol === undefined ? right(record) : checkProtocol(given.protocol, record)
}

/**
 * An answer of gRPC is 200 whatever its status, and a call that was sent cannot be sent again:
 * nginx keeps nothing of its body.
 */
function checkProtocol(protocol: unknown, record: UpstreamRecord): Checked<UpstreamRecord> {
  if (protocol === 'h2') {
    record.protocol = protocol
    return right(record)
  }
  if (protocol !== 'grpc') {
    return wrong('protocol', 'must be grpc or h2; without it instances are spoken to in HTTP/1.1')
  }
  const retry = record.policy.retry
  if (retry !== undefined && retry.statuses.length > 0) {
    return wrong('policy.retry.statuses', 'must be empty: an answer of gRPC is 200 always')
  }
  if (retry !== undefined && retry.nonIdempotent) {
    return wrong('policy.retry.nonIdempotent', 'must be false: nginx sends no gRPC call twice')
  }
  record.protocol = protocol
  return right(record)
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

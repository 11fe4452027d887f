/**
 * What an agent on another machine may write: its containers and itself, and only records that
 * hold.
 */
import type { AddressPolicy } from '../../../contract/guard/address.js'
import { AGENT_ROUTES, parseKey } from '../../../contract/keys.js'
import { isWhole } from '../../../contract/guard/names.js'
import { isObject, isText } from '../../../contract/guard/guarded.js'
import type { Guarded } from '../../../contract/guard/guarded.js'
import { guardUpstream } from '../../../contract/record/upstream-record.js'
import { guardInstance } from '../../../contract/record/instance-record.js'
import { guardRoute } from '../../../contract/record/route.js'
import { guardStreamRoute, isStreamRoute } from '../../../contract/record/stream-route.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { RegistryOperation } from '../../../registry/registry.js'
import { isOwnAddress } from '../../own-addresses.js'
import { readKnown } from '../../state/known-fields.js'

export interface WriteRules {
  addresses: AddressPolicy
  /** Addresses that Sluice itself listens on. */
  ownAddresses?: (() => ReadonlySet<string>) | undefined
}

/** Operations in one commit of an agent. */
const MOST_OPERATIONS = 4096
const MOST_VALUE_CHARACTERS = 16_384
const READABLE = new RegExp(`^(instances|hosts|overrides|upstreams|routes/${AGENT_ROUTES})`)
const LEASE_ID = /^[A-Za-z0-9]{1,64}$/
const FIELDS = new Set(['type', 'key', 'value', 'lease', 'ifRevision'])

/** Agents see what they need, and never a certificate's key. */
export function mayRead(key: string): boolean {
  return READABLE.test(key)
}

export function isLeaseId(value: unknown): value is string {
  return typeof value === 'string' && LEASE_ID.test(value)
}

/** The operations of a commit's body. Throws `invalid` or `forbidden`, naming the field. */
export function guardOperations(body: unknown, rules: WriteRules): RegistryOperation[] {
  const operations = isObject(body) ? body.operations : undefined
  if (!Array.isArray(operations) || operations.length > MOST_OPERATIONS) {
    throw invalid('operations', `must be a list of at most ${MOST_OPERATIONS}`)
  }
  return operations.map((operation, i) => guardOperation(operation, `operations[${i}]`, rules))
}

function guardOperation(value: unknown, at: string, rules: WriteRules): RegistryOperation {
  if (!isObject(value)) {
    throw invalid(at, 'must be an object')
  }
  const extra = Object.keys(value).find((field) => !FIELDS.has(field))
  if (extra !== undefined) {
    throw invalid(`${at}.${extra}`, 'is not a known field')
  }
  const { type, key, ifRevision } = value
  if (typeof key !== 'string') {
    throw invalid(`${at}.key`, 'must be a text')
  }
  if (ifRevision !== undefined && !isWhole(ifRevision, 0, Number.MAX_SAFE_INTEGER)) {
    throw invalid(`${at}.ifRevision`, 'must be a revision')
  }
  const condition = ifRevision === undefined ? {} : { ifRevision }
  // Settings that are there belong to whoever made them; see settings-owner.ts.
  const isNamed = type === 'put' ? ifRevision !== undefined : (ifRevision ?? 0) !== 0
  if (key.startsWith('upstreams/') && !isNamed) {
    throw new SluiceError('forbidden', `an agent may not change ${key}`, { field: `${at}.key` })
  }
  if (type === 'delete') {
    guardKey(key, at)
    return { type, key, ...condition }
  }
  if (type !== 'put') {
    throw invalid(`${at}.type`, 'must be put or delete')
  }
  const { lease } = value
  if (lease !== undefined && !isLeaseId(lease)) {
    throw invalid(`${at}.lease`, 'must be a lease’s id')
  }
  const text = guardValue(key, value.value, at, rules)
  return { type, key, value: text, ...(lease !== undefined && { lease }), ...condition }
}

function guardKey(key: string, at: string): 'instances' | 'hosts' | 'routes' | 'upstreams' {
  const parsed = parseKey(key)
  if (parsed === null) {
    throw invalid(`${at}.key`, 'is not a key of the registry')
  }
  const { kind } = parsed
  if (kind === 'instances' || kind === 'hosts' || kind === 'upstreams') {
    return kind
  }
  if (kind === 'routes' && parsed.id.startsWith(AGENT_ROUTES)) {
    return kind
  }
  throw new SluiceError('forbidden', `an agent may not write ${key}`, { field: `${at}.key` })
}

function guardValue(key: string, value: unknown, at: string, rules: WriteRules): string {
  const kind = guardKey(key, at)
  if (typeof value !== 'string' || value.length > MOST_VALUE_CHARACTERS) {
    throw invalid(`${at}.value`, `must be a text of at most ${MOST_VALUE_CHARACTERS} characters`)
  }
  let record: unknown
  try {
    record = JSON.parse(value)
  } catch {
    throw invalid(`${at}.value`, 'must be JSON')
  }
  if (kind === 'instances') {
    guardInstanceRecord(record, at, rules)
  } else if (kind === 'routes') {
    guardRecord<unknown>(record, at, isStreamRoute(record) ? guardStreamRoute : guardRoute)
  } else if (kind === 'upstreams') {
    guardRecord(record, at, guardUpstream)
  } else {
    guardAgentRecord(record, at)
  }
  return value
}

/** A newer agent's fields are kept, like those of any other version in the registry. */
function guardRecord<T>(record: unknown, at: string, check: (value: unknown) => Guarded<T>): T {
  const checked = readKnown(record, check)
  if (!checked.ok) {
    throw invalid(join(`${at}.value`, checked.field), checked.message)
  }
  return checked.value.record
}

function guardInstanceRecord(record: unknown, at: string, rules: WriteRules): void {
  const { host, port } = guardRecord(record, at, (value) => guardInstance(value, rules.addresses))
  if (isOwnAddress(rules.ownAddresses?.() ?? new Set(), host, port)) {
    throw invalid(`${at}.value.port`, 'is where Sluice itself listens')
  }
}

/** More than an agent reports. */
const MOST_PROBLEMS = 50
const MOST_SOURCES = 20

function guardAgentRecord(record: unknown, at: string): void {
  if (!isObject(record)) {
    throw invalid(`${at}.value`, 'must be an object')
  }
  const { address, containers, engine, problems, sources } = record
  const { name = '', owner = '', boot = '' } = record
  for (const [field, text] of Object.entries({ address, name, owner, boot })) {
    if (typeof text !== 'string' || !/^[\x20-\x7e]{0,200}$/.test(text)) {
      throw invalid(`${at}.value.${field}`, 'must be a plain text of at most 200 characters')
    }
  }
  if (!isWhole(containers, 0, 1_000_000)) {
    throw invalid(`${at}.value.containers`, 'must be a number of containers')
  }
  const { reason = '', sinceAtMs = 0 } = isObject(engine) ? engine : {}
  const isEngine = engine === undefined || isObject(engine)
  if (!isEngine || !isText(reason, 300) || !isWhole(sinceAtMs, 0, Number.MAX_SAFE_INTEGER)) {
    throw invalid(`${at}.value.engine`, 'must be {reason, sinceAtMs}')
  }
  if (problems !== undefined && (!Array.isArray(problems) || problems.length > MOST_PROBLEMS)) {
    throw invalid(`${at}.value.problems`, `must be a list of at most ${MOST_PROBLEMS}`)
  }
  if (sources !== undefined && (!Array.isArray(sources) || sources.length > MOST_SOURCES)) {
    throw invalid(`${at}.value.sources`, `must be a list of at most ${MOST_SOURCES}`)
  }
}

function join(at: string, field: string): string {
  return field === '' ? at : `${at}.${field}`
}

function invalid(field: string, message: string): SluiceError {
  return new SluiceError('invalid', `${field} ${message}`, { field })
}

/**
 * What of a registry's value becomes a record. All that comes from there is guarded here.
 *
 * The value may be a newer version's. A field that this version does not know is left out of the
 * record, and named; whoever writes the record again keeps it. A value that may not be served
 * without what this version lacks says so in `needs`, and is not understood.
 */
import type { AddressPolicy } from '../../contract/guard/address.js'
import { wrong } from '../../contract/guard/guarded.js'
import type { Guarded } from '../../contract/guard/guarded.js'
import { parseKey } from '../../contract/keys.js'
import type { RecordKey } from '../../contract/keys.js'
import { guardOverride } from '../../contract/record/override-record.js'
import { guardUpstream } from '../../contract/record/upstream-record.js'
import { guardInstance } from '../../contract/record/instance-record.js'
import type { OverrideRecord } from '../../contract/record/override-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { guardCertificate } from '../../contract/record/certificate.js'
import { guardRoute } from '../../contract/record/route.js'
import type { RouteRecord } from '../../contract/record/route.js'
import { guardStreamRoute, isStreamRoute } from '../../contract/record/stream-route.js'
import type { StreamRouteRecord } from '../../contract/record/stream-route.js'
import { readCertificate } from './certificate.js'
import type { Certificate } from './certificate.js'
import { readKnown } from './known-fields.js'

export interface BorderRules {
  policy: AddressPolicy
  /** Whether Sluice itself listens there: a request would go round. */
  isOwn(host: string, port: number): boolean
}

export type Admitted =
  | { kind: 'upstreams'; upstream: string; record: UpstreamRecord }
  | { kind: 'instances'; upstream: string; id: string; record: InstanceRecord }
  | { kind: 'overrides'; upstream: string; id: string; record: OverrideRecord }
  | { kind: 'routes'; id: string; record: RouteRecord }
  | { kind: 'routes'; id: string; streamRecord: StreamRouteRecord }
  | { kind: 'certificates'; id: string; record: Certificate }

/** Keys of the kinds that make the table. */
export type TableKey = Exclude<RecordKey, OtherKey>

/** Keys of records in which processes say how they are, and of what all controllers share. */
type OtherKey = Extract<
  RecordKey,
  { kind: 'hosts' | 'gateways' | 'presence' | 'secrets' | 'agents' | 'owners' }
>

export interface ReadRecord {
  admitted: Admitted
  /** Fields that this version does not know: `policy.retry.hedge`. */
  unknown: string[]
}

export function isOfTable(key: string): boolean {
  return /^(upstreams|instances|overrides|routes|certificates)\//.test(key)
}

const OTHERS: ReadonlySet<string> = new Set([
  'hosts',
  'gateways',
  'presence',
  'secrets',
  'agents',
  'owners',
])

function isOther(key: RecordKey): key is OtherKey {
  return OTHERS.has(key.kind)
}

/** Undefined for the kinds that make no table, and for what is no key of ours. */
export function tableKey(key: string): TableKey | undefined {
  const parsed = parseKey(key)
  return parsed === null || isOther(parsed) ? undefined : parsed
}

function admit<T>(checked: Guarded<T>, make: (record: T) => Admitted): Guarded<Admitted> {
  return checked.ok ? { ok: true, value: make(checked.value) } : checked
}

function judge(key: TableKey, value: unknown, rules: BorderRules): Guarded<Admitted> {
  switch (key.kind) {
    case 'upstreams':
      return admit(guardUpstream(value), (record) => ({ ...key, record }))
    case 'overrides':
      return admit(guardOverride(value), (record) => ({ ...key, record }))
    case 'routes':
      return isStreamRoute(value)
        ? admit(guardStreamRoute(value), (streamRecord) => ({ ...key, streamRecord }))
        : admit(guardRoute(value), (record) => ({ ...key, record }))
    case 'certificates': {
      const shape = guardCertificate(value)
      const checked = shape.ok ? readCertificate(shape.value) : shape
      return admit(checked, (record) => ({ ...key, record }))
    }
    case 'instances': {
      const checked = guardInstance(value, rules.policy)
      return checked.ok && rules.isOwn(checked.value.host, checked.value.port)
        ? wrong('address', 'is one that Sluice itself listens on')
        : admit(checked, (record) => ({ ...key, record }))
    }
  }
}

/**
 * Reads the text that stands under `key`. What is wrong is named by its field; `json` is one too.
 */
export function readRecord(key: TableKey, text: string, rules: BorderRules): Guarded<ReadRecord> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return wrong('json', 'must be JSON')
  }
  const read = readKnown(value, (known) => judge(key, known, rules))
  return read.ok
    ? { ok: true, value: { admitted: read.value.record, unknown: read.value.unknown } }
    : read
}

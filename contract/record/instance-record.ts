/**
 * An instance's record and its guard. Each guard of a record takes anything. It answers the record,
 * rebuilt from known fields alone, or which field is wrong and why. It never throws and never
 * repairs.
 */
import { parseIp, printIp, refuseIp } from '../guard/address.js'
import type { AddressPolicy } from '../guard/address.js'
import { brokenRule, guardShape, isText, right, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule, Fields } from '../guard/guarded.js'
import { guardMetadata } from '../guard/metadata.js'
import { isName, isWhole } from '../guard/names.js'

export type InstanceState = 'up' | 'draining' | 'down'

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

/** The host in Sluice's spelling, or why it is refused. */
function guardHost(value: unknown, policy: AddressPolicy): Guarded<string> {
  const bytes = typeof value === 'string' && value.length <= 64 ? parseIp(value) : null
  if (bytes === null) {
    return wrong(
      'host',
      'must be an IP address literal such as 10.0.0.7 or fd00::7; a name goes into dns of the upstream',
    )
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

function guardInstanceFields(fields: Fields): Guarded<Fields> {
  const bad = brokenRule(fields, INSTANCE_RULES, ['port', 'weight', 'state'])
  if (bad !== undefined) {
    return wrong(bad[0], bad[2])
  }
  const metadata = fields.metadata === undefined ? null : guardMetadata(fields.metadata)
  return metadata === null ? right(fields) : wrong('metadata', metadata)
}

/**
 * `{host: "10.0.0.7", port: 80}` → the record with `weight` 1 and `state` up filled in.
 * `policy` says whether loopback addresses may serve.
 */
export function guardInstance(value: unknown, policy: AddressPolicy): Guarded<InstanceRecord> {
  const shape = guardShape(value, INSTANCE_FIELDS)
  if (!shape.ok) {
    return shape
  }
  const fields = Object.assign({ weight: 1, state: 'up' }, shape.value)
  const host = guardHost(fields.host, policy)
  if (!host.ok) {
    return host
  }
  const guarded = guardInstanceFields(fields)
  if (!guarded.ok) {
    return guarded
  }
  return right(Object.assign({}, fields, { host: host.value }) as unknown as InstanceRecord)
}

/**
 * What the registry says, compiled from its records: upstreams, routes and certificates at one
 * revision.
 */
import type { OverrideRecord } from '../../contract/record/override-record.js'
import type { DnsName } from '../../contract/record/dns-name.js'
import type { InstanceProtocol } from '../../contract/record/upstream-record.js'
import type { InstanceRecord, InstanceState } from '../../contract/record/instance-record.js'
import type { RouteRecord } from '../../contract/record/route.js'
import type { StreamRouteRecord } from '../../contract/record/stream-route.js'
import type { PeerTls } from '../../contract/record/peer-tls.js'
import type { Policy } from '../../contract/record/policy.js'
import type { Certificate } from './certificate.js'
import type { Condition } from './conditions.js'

/** One instance as the registry has it, with what an operator decided about it. */
export interface DesiredInstance {
  id: string
  record: InstanceRecord
  override: OverrideRecord | undefined
  /** Set when its registration was lost in a way that is not believed yet: it serves on. */
  suspect: string | undefined
  /** Registry revision of the last change to it or its override. */
  revision: number
  /** The name of DNS that it comes from; absent: it is registered. */
  dns?: string
}

export interface DesiredUpstream {
  name: string
  policy: Policy
  /** Absent: peers are reached without TLS. */
  tls?: PeerTls
  /** Absent: peers speak HTTP/1.1. */
  protocol?: InstanceProtocol
  /** Absent: its instances are those that are registered. */
  dns?: DnsName[]
  /** Registry revision of the last change to it or any of its instances. */
  revision: number
  instances: ReadonlyMap<string, DesiredInstance>
}

export interface DesiredRoute {
  id: string
  record: RouteRecord
  /** By name (contract/record/tuning.ts), of a route of connections that is tuned. */
  tuning?: string
  revision: number
}

export interface DesiredStreamRoute {
  id: string
  record: StreamRouteRecord
  revision: number
}

export interface DesiredCertificate extends Certificate {
  id: string
  revision: number
}

/**
 * What the registry says, all of it, at one revision. Never changed in place: an upstream that did
 * not change is the same object in the next Desired, which is how the compiler knows what to leave
 * alone.
 */
export interface Desired {
  revision: number
  upstreams: ReadonlyMap<string, DesiredUpstream>
  routes: ReadonlyMap<string, DesiredRoute>
  /** Of connections. */
  streamRoutes: ReadonlyMap<string, DesiredStreamRoute>
  certificates: ReadonlyMap<string, DesiredCertificate>
}

/**
 * The state that is shown. Down beats draining beats up, and an operator can only take away. What
 * is up by the registry may still be down by its `condition` at a gateway.
 */
export function instanceState(
  instance: DesiredInstance,
  condition?: Condition,
): { state: InstanceState; reason?: string } {
  const { record, override, suspect } = instance
  if (record.state === 'down') {
    return { state: 'down', ...(record.reason !== undefined && { reason: record.reason }) }
  }
  if (override !== undefined) {
    return { state: 'draining', reason: override.reason ?? 'drained by an operator' }
  }
  const isUp = record.state === 'up'
  const reason = (isUp ? condition?.reason : undefined) ?? record.reason ?? suspect
  const state = isUp && condition !== undefined ? condition.state : record.state
  return { state, ...(reason !== undefined && { reason }) }
}

/** An upstream's record and its guard. */
import { guardShape, right, fieldIn, wrong } from '../guard/guarded.js'
import type { Guarded } from '../guard/guarded.js'
import { guardDnsNames } from './dns-name.js'
import type { DnsName } from './dns-name.js'
import { guardPeerTls } from './peer-tls.js'
import type { PeerTls } from './peer-tls.js'
import { DEFAULT_POLICY, guardPolicy } from './policy.js'
import type { Policy } from './policy.js'

/** HTTP/2 is spoken with gRPC too, but another module of nginx does that. */
export type InstanceProtocol = 'grpc' | 'h2'

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
  /** What these names answer are instances, too. Absent: those that are registered alone. */
  dns?: DnsName[]
}

/** The fields of an upstream's record, beside its instances. */
export const UPSTREAM_FIELDS = ['policy', 'tls', 'protocol', 'dns']

/**
 * `{policy: {balance: "random"}, tls: {serverName: "shop.internal"}}`; all may be left out, and
 * each part of the policy.
 */
export function guardUpstream(value: unknown): Guarded<UpstreamRecord> {
  const shape = guardShape(value, UPSTREAM_FIELDS)
  if (!shape.ok) {
    return shape
  }
  const given = shape.value
  const policy = given.policy === undefined ? right(DEFAULT_POLICY) : guardPolicy(given.policy)
  if (!policy.ok) {
    return wrong(fieldIn('policy', policy.field), policy.message)
  }
  const record: UpstreamRecord = { policy: policy.value }
  if (given.tls !== undefined) {
    const tls = guardPeerTls(given.tls)
    if (!tls.ok) {
      return wrong(fieldIn('tls', tls.field), tls.message)
    }
    record.tls = tls.value
  }
  if (given.dns !== undefined) {
    const dns = guardDnsNames(given.dns)
    if (!dns.ok) {
      return wrong('dns' + dns.field, dns.message)
    }
    record.dns = dns.value
  }
  return given.protocol === undefined ? right(record) : guardProtocol(given.protocol, record)
}

/**
 * An answer of gRPC is 200 whatever its status, and a call that was sent cannot be sent again:
 * nginx keeps nothing of its body.
 */
function guardProtocol(protocol: unknown, record: UpstreamRecord): Guarded<UpstreamRecord> {
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

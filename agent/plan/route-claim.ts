/**
 * What a route claims: hosts, a path and conditions; names of TLS; or a port. Two routes that claim
 * the same contradict each other. Pure.
 */
import { printConditions } from '../../contract/record/route-match.js'
import type { Conditional } from '../../contract/record/route-match.js'

export interface RouteClaim {
  /** `app.example.com/api`, `tcp 9100` */
  claim: string
  upstream: string
}

interface Claiming extends Conditional {
  sni?: string[] | undefined
  hosts?: string[] | undefined
  pathPrefix?: string | undefined
  port?: number | undefined
  protocol?: string | undefined
}

export function printClaim(route: Claiming): string {
  const { hosts = [], pathPrefix = '/', port, protocol, sni } = route
  if (sni !== undefined) {
    return `tls ${sni.join()}${port === undefined ? '' : ` ${port}`}`
  }
  const conditions = printConditions(route).replaceAll('\t', ' ')
  const behind = conditions === '' ? '' : ` ${conditions}`
  return port === undefined ? hosts.join() + pathPrefix + behind : `${protocol} ${port}`
}

/** A route's value in the registry; undefined for one that is no agent's. */
export function readRoute(value: string): RouteClaim | undefined {
  try {
    const record = JSON.parse(value) as (Claiming & { upstream?: unknown }) | null
    const isClaim = Array.isArray(record?.hosts ?? record?.sni) || typeof record?.port === 'number'
    return isClaim && typeof record?.upstream === 'string'
      ? { claim: printClaim(record), upstream: record.upstream }
      : undefined
  } catch {
    // Nobody can read it, so it contradicts nothing.
    return undefined
  }
}

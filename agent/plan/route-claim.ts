/**
 * What a route claims: hosts and a path, or a port. Two routes that claim the same contradict each
 * other. Pure.
 */
export interface RouteClaim {
  /** `app.example.com/api`, `tcp 9100` */
  claim: string
  upstream: string
}

interface Claiming {
  hosts?: string[] | undefined
  pathPrefix?: string | undefined
  port?: number | undefined
  protocol?: string | undefined
}

export function printClaim({ hosts = [], pathPrefix = '/', port, protocol }: Claiming): string {
  return port === undefined ? hosts.join() + pathPrefix : `${protocol} ${port}`
}

/** A route's value in the registry; undefined for one that is no agent's. */
export function readRoute(value: string): RouteClaim | undefined {
  try {
    const record = JSON.parse(value) as (Claiming & { upstream?: unknown }) | null
    const isClaim = Array.isArray(record?.hosts) || typeof record?.port === 'number'
    return isClaim && typeof record?.upstream === 'string'
      ? { claim: printClaim(record), upstream: record.upstream }
      : undefined
  } catch {
    // Nobody can read it, so it contradicts nothing.
    return undefined
  }
}

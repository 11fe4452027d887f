/**
 * Some of an upstream's instances, chosen by their metadata: a unit of its own, with the upstream's
 * policy.
 */
import { createHash } from 'node:crypto'
import type { Where } from '../../contract/guard/metadata.js'

/** An upstream, or what `where` leaves of it. */
export interface UpstreamSubset {
  upstream: string
  where?: Where
}

/** `:web`, or `:web.0123456789abcdef`. */
export function unitOf({ upstream, where }: UpstreamSubset): string {
  if (where === undefined) {
    return `:${upstream}`
  }
  const text = JSON.stringify(Object.entries(where).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `:${upstream}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}

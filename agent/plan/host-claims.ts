/**
 * Which upstream has a host or a port that several want, among the containers of one machine: one
 * that is up; among those, the one that had it; else the oldest container's. Pure.
 */
import { printKey } from '../../contract/keys.js'
import type { WantedRoute } from './container-records.js'
import { placeOf } from './route-place.js'

/** Of a place that several upstreams want: who has it, and who has not. */
export interface Contested {
  place: string
  message: string
}

export interface RouteClaim {
  place: string
  upstream: string
  container: string
  isUp: boolean
  key: string
  value: string
  /** Called when another upstream has the place. */
  refuse: (reason: string) => void
}

export function claimOf(
  { id, record }: WantedRoute,
  claimant: Pick<RouteClaim, 'upstream' | 'container' | 'isUp' | 'refuse'>,
): RouteClaim {
  const key = printKey({ kind: 'routes', id })
  return { ...claimant, place: placeOf(record), key, value: JSON.stringify(record) }
}

function winnerOf(claims: readonly RouteClaim[], holder: string | undefined): RouteClaim {
  const up = claims.filter(({ upstream }) =>
    claims.some((claim) => claim.upstream === upstream && claim.isUp),
  )
  const able = up.length > 0 ? up : claims
  const held = able.find(({ upstream }) => upstream === holder)
  return held ?? (able[0] as RouteClaim)
}

/**
 * Registry key → value of the routes that stand. `claims` come with the oldest container first;
 * `holders` are the upstreams that had the places before. `contested` is added to.
 */
export function settleClaims(
  claims: readonly RouteClaim[],
  holders: ReadonlyMap<string, string>,
  contested: Contested[] = [],
): Map<string, string> {
  const routes = new Map<string, string>()
  for (const place of new Set(claims.map((claim) => claim.place))) {
    const rivals = claims.filter((claim) => claim.place === place)
    const winner = winnerOf(rivals, holders.get(place))
    for (const claim of rivals) {
      if (claim.upstream === winner.upstream) {
        routes.set(claim.key, claim.value)
      } else {
        const why = winner.isUp ? 'is up and had it first' : 'had it first'
        const owner = `upstream ${winner.upstream}, by container ${winner.container}, which ${why}`
        claim.refuse(`route ${place} belongs to ${owner}`)
        const rival = `upstream ${claim.upstream} (container ${claim.container}) wants it, too`
        contested.push({ place, message: `route ${place} belongs to ${owner}; ${rival}` })
      }
    }
  }
  return routes
}

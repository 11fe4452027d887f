/**
 * Which upstream has a host or a port that several want, among the entries that one agent follows:
 * one that is up; among those, the one that had it; else that of the oldest. Pure.
 */
import { printKey } from '../../contract/keys.js'
import type { WantedRoute } from './container-records.js'
import { printClaim } from './route-claim.js'

/** Of a host or port that several upstreams claim: who has it, and who has not. */
export interface Contested {
  claim: string
  message: string
}

export interface Claimant {
  claim: string
  upstream: string
  /** Who asks for it, for people: `container web-1`, `files web.yaml:12`. */
  from: string
  isUp: boolean
  key: string
  value: string
  /** Called when another upstream has what it claims. */
  refuse: (reason: string) => void
}

export function claimantOf(
  { id, record }: WantedRoute,
  claimant: Pick<Claimant, 'upstream' | 'from' | 'isUp' | 'refuse'>,
): Claimant {
  const key = printKey({ kind: 'routes', id })
  return { ...claimant, claim: printClaim(record), key, value: JSON.stringify(record) }
}

function winnerOf(claimants: readonly Claimant[], holder: string | undefined): Claimant {
  const up = claimants.filter(({ upstream }) =>
    claimants.some((claimant) => claimant.upstream === upstream && claimant.isUp),
  )
  const able = up.length > 0 ? up : claimants
  const held = able.find(({ upstream }) => upstream === holder)
  return held ?? (able[0] as Claimant)
}

/**
 * Registry key → value of the routes that stand. `claimants` come with the oldest first;
 * `holders`: claim → the upstream that had it before. `contested` is added to.
 */
export function settleClaims(
  claimants: readonly Claimant[],
  holders: ReadonlyMap<string, string>,
  contested: Contested[] = [],
): Map<string, string> {
  const routes = new Map<string, string>()
  const byClaim = new Map<string, Claimant[]>()
  for (const claimant of claimants) {
    const rivals = byClaim.get(claimant.claim) ?? []
    byClaim.set(claimant.claim, [...rivals, claimant])
  }
  for (const [claim, rivals] of byClaim) {
    const winner = winnerOf(rivals, holders.get(claim))
    for (const claimant of rivals) {
      if (claimant.upstream === winner.upstream) {
        routes.set(claimant.key, claimant.value)
      } else {
        const why = winner.isUp ? 'is up and had it first' : 'had it first'
        const owner = `upstream ${winner.upstream}, by ${winner.from}, which ${why}`
        claimant.refuse(`route ${claim} belongs to ${owner}`)
        const rival = `upstream ${claimant.upstream} (${claimant.from}) wants it, too`
        contested.push({ claim, message: `route ${claim} belongs to ${owner}; ${rival}` })
      }
    }
  }
  return routes
}

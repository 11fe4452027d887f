/** The name of an offer's upstream, from how a dialect writes it. Pure. */
import { FOLD_RULE, foldName } from '../../contract/guard/fold-name.js'
import type { Offer } from './offer.js'

export type NamedOffer = Pick<Offer, 'upstream' | 'given' | 'isNameChosen' | 'upstreamWhy'>

/** Names what cannot be folded in `problems`; then all of the container is refused. */
export function nameOffer(given: string, why: string, problems: string[]): NamedOffer {
  const upstream = foldName(given)
  const shown = JSON.stringify(given.slice(0, 80))
  if (upstream === undefined) {
    problems.push(`${why} ${shown} must be 1 to 63 characters of a-z, 0-9 and - after ${FOLD_RULE}`)
  }
  const folded = upstream === given ? '' : `, folded from ${shown}: ${FOLD_RULE}`
  return { upstream: upstream ?? '', given, isNameChosen: true, upstreamWhy: why + folded }
}

/** What a dialect that says nothing of it gives an offer. */
export const PLAIN_OFFER = {
  ...{ weight: 1, maxConns: undefined, backup: false, zone: undefined, id: undefined },
  settings: undefined,
}

/** The name of an offer's upstream, from how a dialect writes it. Pure. */
import { createHash } from 'node:crypto'
import { FOLDED_NAME_RULE, foldName, printFolding } from '../../contract/guard/fold-name.js'
import type { Offer } from './offer.js'

export type NamedOffer = Pick<Offer, 'upstream' | 'given' | 'isNameChosen' | 'upstreamWhy'>

/** Names what cannot be folded in `problems`; then all of the container is refused. */
export function nameOffer(given: string, why: string, problems: string[]): NamedOffer {
  const upstream = foldName(given)
  const shown = JSON.stringify(given.slice(0, 80))
  if (upstream === undefined) {
    problems.push(`${why} ${shown} ${FOLDED_NAME_RULE}`)
  }
  const upstreamWhy = why + printFolding(given, upstream)
  return { upstream: upstream ?? '', given, isNameChosen: true, upstreamWhy }
}

/** What a dialect that says nothing of it gives an offer. */
export const PLAIN_OFFER = {
  ...{ weight: 1, maxConns: undefined, backup: false, zone: undefined, id: undefined },
  settings: undefined,
}

/** So long that a digest still fits a name. */
const MOST_OF_HOST = 54

/** `*.shop.example/api` → `any.shop.example-api`: the upstream of a host and a path. */
export function nameOfHost(host: string, pathPrefix: string): string {
  const path = pathPrefix === '/' ? '' : pathPrefix
  const plain = (host + path).replaceAll('*', 'any').replace(/[^A-Za-z0-9._-]/g, '-')
  const isExact = plain.length <= 63 && /^[a-z0-9.*-]+(\/[a-z0-9-]+)*$/.test(host + path)
  return isExact ? plain : `${plain.slice(0, MOST_OF_HOST)}-${digestOf(host + path)}`
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

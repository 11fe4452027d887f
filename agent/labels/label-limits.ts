/** What labels may not ask for: whoever may start a container need not own every host. Pure. */
import { ACME_PREFIX, isWithin } from '../../contract/table/host-record.js'
import type { OfferRoute, Offers } from './offer.js'

/** What labels may name, as the operator says; `*` in a pattern stands for anything. */
export interface LabelLimits {
  /** Undefined: any host. */
  hosts?: readonly string[] | undefined
  /** Undefined: any upstream. */
  upstreams?: readonly string[] | undefined
}

/** Of one container; beyond them nothing is read. */
export const MOST_INSTANCES = 256
const MOST_ROUTES = 128

function matches(text: string, patterns: readonly string[] | undefined): boolean {
  const escaped = (pattern: string) => pattern.replace(/[.?+^$()[\]{}|\\]/g, '\\$&')
  return (
    patterns === undefined ||
    patterns.some((pattern) => new RegExp(`^${escaped(pattern).replaceAll('*', '.*')}$`).test(text))
  )
}

function overreachOf(route: OfferRoute, source: string, limits: LabelLimits): string[] {
  const problems: string[] = []
  const hosts = 'hosts' in route ? route.hosts : 'sni' in route ? route.sni : []
  if (hosts.includes('*')) {
    problems.push(`${source}: host "*" is every host: only an operator's route may have it`)
  }
  if ('hosts' in route && isWithin(route.pathPrefix, ACME_PREFIX)) {
    const why = 'answers certificate challenges: only an operator may lead it'
    problems.push(`${source}: path ${JSON.stringify(route.pathPrefix)} ${why}`)
  }
  for (const host of hosts.filter((each) => each !== '*' && !matches(each, limits.hosts))) {
    const shown = JSON.stringify(host)
    problems.push(`${source}: host ${shown} is not among those that SLUICE_LABEL_HOSTS allows`)
  }
  return problems
}

/** Why the offers are refused, by name; empty when they are not. */
export function overreach({ offers }: Offers, limits: LabelLimits = {}): string[] {
  if (offers.length > MOST_INSTANCES) {
    return [`a container may have ${MOST_INSTANCES} instances, and this one asks for more`]
  }
  const problems: string[] = []
  for (const { source, routes, upstream } of offers) {
    problems.push(...routes.flatMap((route) => overreachOf(route, source, limits)))
    if (!matches(upstream, limits.upstreams)) {
      problems.push(
        `${source}: upstream ${upstream} is not among those that SLUICE_LABEL_UPSTREAMS allows`,
      )
    }
  }
  const routes = offers.flatMap((offer) => offer.routes).length
  if (routes > MOST_ROUTES) {
    problems.push(`the labels ask for ${routes} routes; a container may have ${MOST_ROUTES}`)
  }
  return problems
}

/** What labels may not ask for: whoever may start a container need not own every host. Pure. */
import { ACME_PREFIX, isWithin } from '../../contract/table/host-record.js'
import type { Offers } from './offer.js'

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

/** Why the offers are refused, by name; empty when they are not. */
export function overreach({ offers }: Offers, limits: LabelLimits = {}): string[] {
  if (offers.length > MOST_INSTANCES) {
    return [`a container may have ${MOST_INSTANCES} instances, and this one asks for more`]
  }
  const problems: string[] = []
  for (const { source, hosts, pathPrefix, upstream } of offers) {
    if (hosts.includes('*')) {
      problems.push(`${source}.host "*" is every host: only an operator's route may have it`)
    }
    if (hosts.length > 0 && isWithin(pathPrefix, ACME_PREFIX)) {
      const why = 'answers certificate challenges: only an operator may lead it'
      problems.push(`${source}.path ${JSON.stringify(pathPrefix)} ${why}`)
    }
    for (const host of hosts.filter((each) => each !== '*' && !matches(each, limits.hosts))) {
      problems.push(
        `${source}.host ${JSON.stringify(host)} is not among those that SLUICE_LABEL_HOSTS allows`,
      )
    }
    if (!matches(upstream, limits.upstreams)) {
      problems.push(
        `${source}: upstream ${upstream} is not among those that SLUICE_LABEL_UPSTREAMS allows`,
      )
    }
  }
  const routes = offers.flatMap(({ hosts, ports }) => [...hosts, ...ports]).length
  if (routes > MOST_ROUTES) {
    problems.push(`the labels ask for ${routes} routes; a container may have ${MOST_ROUTES}`)
  }
  return problems
}

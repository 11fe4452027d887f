/** Which route of a plan a request matches, and why no other. */
import { isLeavingPath } from '../../../contract/guard/client-patterns.js'
import { isMet } from '../../../contract/table/route-condition.js'
import { ACME_PREFIX, isWithin } from '../../../contract/table/host-record.js'
import type { RouteAction } from '../../../contract/record/route-action.js'
import type { Split } from '../../../contract/record/route-split.js'
import type { HostPlan, HostRoute, HostsPlan } from '../../table/host-plan.js'
import type { ExplainedRequest } from './question.js'

export interface Matched {
  /** The route; null when the upstream answers at its own name below the domain. */
  id: string | null
  host: string
  pathPrefix: string
  /** `:web` or `~canary`; `-` where the route answers by itself. */
  unit: string
  /** Without arms where the route answers by itself. */
  split: Split
  action: RouteAction | undefined
}

/**
 * nginx's own order: the host itself, wildcards at the front, wildcards at the end (the longest
 * first), any host.
 */
function patternsFor(host: string): string[] {
  const labels = host.split('.')
  const inner = labels.slice(1).map((_, i) => i + 1)
  return [
    host,
    ...inner.map((i) => `*.${labels.slice(i).join('.')}`),
    ...inner.map((i) => `${labels.slice(0, labels.length - i).join('.')}.*`),
    '*',
  ]
}

function isUnder(path: string, prefix: string): boolean {
  return prefix === '/' || isWithin(path, prefix)
}

/** Beyond, the path prefixes of a host are only counted. */
const MOST_PREFIXES = 10

const KINDS: Record<string, string> = { http: 'header', cookie: 'cookie', arg: 'argument' }

/** What a condition is about, and what it wants. */
function partsOf(condition: string): { subject: string; wanted: string | undefined } {
  const [, variable = '', equals = '', value = ''] = /^([^=]*)(=?)(.*)$/.exec(condition) ?? []
  if (variable === 'request_method') {
    return { subject: 'the method', wanted: value }
  }
  const [, kind = '', given = ''] = /^([a-z]+)_(.*)$/.exec(variable) ?? []
  const name = kind === 'http' ? given.replace(/_/g, '-') : given
  return { subject: `${KINDS[kind]} ${name}`, wanted: equals === '' ? undefined : value }
}

/** `header x-canary is not "always"` */
function unmetText(condition: string): string {
  const { subject, wanted } = partsOf(condition)
  if (subject === 'the method') {
    return `the method is none of ${wanted}`
  }
  return `${subject} is ${wanted === undefined ? 'not there' : `not ${JSON.stringify(wanted)}`}`
}

/** `header x-canary is "always"` */
function metText(condition: string, asked: ExplainedRequest): string {
  const { subject, wanted } = partsOf(condition)
  if (subject === 'the method') {
    return `the method is ${asked.variables.request_method}`
  }
  return `${subject} is ${wanted === undefined ? 'there' : JSON.stringify(wanted)}`
}

/** Each of `conditions`, as printConditions has them, in words. */
function metTexts(conditions: string, asked: ExplainedRequest): string[] {
  const all = conditions === '' ? [] : conditions.split('\t')
  return all.map((condition) => metText(condition, asked))
}

/** Why `conditions`, as printConditions has them, do not hold; undefined where they do. */
export function unmet(conditions: string, asked: ExplainedRequest): string | undefined {
  const all = conditions === '' ? [] : conditions.split('\t')
  const found = all.find((condition) => !isMet(condition, asked.variables))
  return found === undefined ? undefined : unmetText(found)
}

/** Routes whose path fits and whose conditions do not; then the one that serves, if any. */
function matchRoute(
  known: HostPlan,
  asked: ExplainedRequest,
  why: string[],
): HostRoute | undefined {
  for (const route of known.routes.filter(({ prefix }) => isUnder(asked.path, prefix))) {
    const lost = unmet(route.conditions, asked)
    if (lost === undefined) {
      return route
    }
    why.push(`route ${route.route} at ${route.prefix} does not fit: ${lost}`)
  }
  return undefined
}

/** What any host has for ACME challenges comes before what the host itself has. */
function matchChallenge(
  { hosts }: HostsPlan,
  asked: ExplainedRequest,
  why: string[],
): HostRoute | undefined {
  const any = hosts.get('*')
  if (any === undefined || !isUnder(asked.path, ACME_PREFIX)) {
    return undefined
  }
  const routes = any.routes.filter(({ prefix }) => isUnder(prefix, ACME_PREFIX))
  const hit = matchRoute({ ...any, routes }, asked, why)
  if (hit !== undefined) {
    why.push(`a route of any host below ${ACME_PREFIX} comes before those of ${asked.host}`)
  }
  return hit
}

export function splitOf({ splits }: HostsPlan, unit: string): Split {
  const own = unit === '-' ? [] : [{ upstream: unit.slice(1), weight: 1 }]
  return splits.get(unit) ?? { split: own }
}

/**
 * Which part of the request did not match. Paths that fit, but for their conditions, were named
 * before.
 */
function noneText({ host, routes }: HostPlan, path: string): string {
  const prefixes = [...new Set(routes.map(({ prefix }) => prefix))]
  if (prefixes.some((prefix) => isUnder(path, prefix))) {
    return `the host and the path match, and the conditions of no route of ${host} hold`
  }
  const shown = prefixes.slice(0, MOST_PREFIXES).join(', ')
  const more = prefixes.length > MOST_PREFIXES ? ` and ${prefixes.length - MOST_PREFIXES} more` : ''
  return `the host matches and the path does not: ${host} has routes for ${shown}${more} alone`
}

const UNCLEAR =
  'the path has a .. in it, and the host has routes for paths: it can be read in two ways (400 unclear_path)'

/** A host that has no prefix but `/` has no border that a path could leave. */
function isUnclear({ routes }: HostPlan, { variables }: ExplainedRequest): boolean {
  return routes[0]?.prefix !== '/' && isLeavingPath(variables.request_uri ?? '')
}

/** The host that has the routes, and the one of them that serves; null: the path is unclear. */
function find(
  plan: HostsPlan,
  asked: ExplainedRequest,
  rawPaths: boolean,
  why: string[],
): [host: string, HostRoute] | undefined | null {
  const challenge = matchChallenge(plan, asked, why)
  if (challenge !== undefined) {
    return ['*', challenge]
  }
  const { host, path } = asked
  const found = patternsFor(host).find((name) => plan.hosts.has(name))
  const known = found === undefined ? undefined : plan.hosts.get(found)
  if (known === undefined) {
    why.push(`no route and no upstream has the host ${host}`)
    return undefined
  }
  why.push(
    known.host === host ? `host ${host} matches exactly` : `host ${host} matches ${known.host}`,
  )
  if (!rawPaths && isUnclear(known, asked)) {
    why.push(UNCLEAR)
    return null
  }
  const hit = matchRoute(known, asked, why)
  if (hit === undefined) {
    why.push(noneText(known, path))
    return undefined
  }
  return [known.host, hit]
}

/**
 * Undefined: nothing leads from this request. Null: its path can be read in two ways, and is
 * refused but with `rawPaths`. `why` is added to.
 */
export function match(
  plan: HostsPlan,
  asked: ExplainedRequest,
  rawPaths: boolean,
  why: string[],
): Matched | undefined | null {
  const found = find(plan, asked, rawPaths, why)
  if (found === undefined || found === null) {
    return found
  }
  const [host, { prefix: pathPrefix, target, route, conditions }] = found
  const first = `path prefix ${pathPrefix} is the longest that matches (route ${route})`
  why.push(route === '' ? 'the upstream answers at its own name' : first)
  why.push(...metTexts(conditions, asked))
  const acting = plan.actions.get(target)
  const unit = acting?.target ?? target
  const id = route === '' ? null : route
  return { id, host, pathPrefix, unit, split: splitOf(plan, unit), action: acting?.action }
}

/**
 * Where a request would go, and why. It asks the same functions that make the table, so it cannot be of another opinion.
 */
import type { FastifyInstance } from 'fastify'
import type { PeerTls } from '../../contract/peer-tls.js'
import type { Protocol } from '../../contract/records.js'
import { isSelected } from '../../contract/metadata.js'
import type { Where } from '../../contract/metadata.js'
import type { Policy } from '../../contract/policy.js'
import type { RouteAction } from '../../contract/route-action.js'
import { compileNobody, compilePeers, sidOf } from '../compile.js'
import type { Compiled, Place } from '../compile.js'
import type { Conditions } from '../conditions.js'
import type { Desired, DesiredUpstream } from '../desired.js'
import { planHosts } from '../hosts.js'
import type { Part } from '../subset.js'
import type { ApiContext } from './context.js'
import { tellAction } from './explain-action.js'
import { match } from './explain-match.js'
import type { Matched } from './explain-match.js'
import { tellPolicy } from './explain-policy.js'
import { sharesOf, whereText } from './explain-split.js'
import { showInstance } from './instances.js'
import { readAnswers } from './openapi.js'
import { askedBy } from './question.js'
import type { Asked, Question } from './question.js'
import { ExplainQuery } from './schemas.js'
import { Explained } from './state-schemas.js'
import { settingsOf } from './upstreams.js'

interface Arm {
  name: string
  where?: Where
  weight: number
  /** Of all requests like this one. */
  share: number
  /** Absent when there is no such upstream. */
  policy?: Policy
  tls?: PeerTls
  protocol?: Protocol
  peers: Array<Record<string, unknown>>
}

/** What decides beside the registry. */
export interface Ground extends Place {
  domain: string
  /** What the own gateway found out about an upstream's instances. */
  conditionsOf: (upstream: string) => Conditions
}

export interface Explanation {
  revision: number
  host: string
  path: string
  outcome: 'served' | 'answered' | 'no_route' | 'no_peer'
  why: string[]
  route: ({ id: string | null; host: string; pathPrefix: string } & RouteAction) | null
  upstreams: Array<Omit<Arm, 'peers'>>
  peers: Array<Record<string, unknown>>
}

export function registerExplain(app: FastifyInstance, { control }: ApiContext): void {
  const schema = {
    operationId: 'explain',
    summary: 'Which route, upstream and peers serve a host and path, and why',
    tags: ['routes'],
    querystring: ExplainQuery,
    response: readAnswers(Explained, 'Where such a request goes'),
  }
  app.get('/v1/explain', { schema }, (request) => {
    const {
      header,
      path = '/',
      ...said
    } = request.query as {
      host: string
      path?: string
      method?: string
      header?: string | string[]
      cookie?: string
      address?: string
    }
    const question = { ...said, path, headers: header === undefined ? [] : [header].flat() }
    const { domain, cluster, zone } = control.settings
    const conditionsOf = (upstream: string) => control.conditionsOf(upstream)
    const ground = { domain, cluster, zone, conditionsOf }
    return explain(control.desired(), ground, question)
  })
}

/** Of what the registry says and this gateway found out. */
export function explain(desired: Desired, ground: Ground, question: Question): Explanation {
  const asked = askedBy(question)
  const plan = planHosts(desired.routes.values(), desired.upstreams.keys(), ground.domain)
  const why: string[] = []
  const matched = match(plan, asked, why)
  const head = { revision: desired.revision, host: asked.host, path: asked.path }
  if (matched === undefined) {
    return { ...head, outcome: 'no_route', why, route: null, upstreams: [], peers: [] }
  }
  const { id, host, pathPrefix, split, action } = matched
  const route = { id, host, pathPrefix, ...action }
  why.push(...tellAction(action, asked.path, pathPrefix))
  if (action?.maintenance !== undefined || (action !== undefined && split.split.length === 0)) {
    return { ...head, outcome: 'answered', why, route, upstreams: [], peers: [] }
  }
  const shared = shareOut(desired, matched, ground, asked, why)
  const peers = shared.flatMap((arm) => arm.peers)
  const outcome = shared.some(({ share }) => share > 0) ? 'served' : 'no_peer'
  if (outcome === 'no_peer') {
    why.push('no instance is up')
  }
  const upstreams = shared.map(withoutPeers)
  return { ...head, outcome, why, route, upstreams, peers }
}

function withoutPeers({
  name,
  where,
  weight,
  share,
  policy,
  tls,
  protocol,
}: Arm): Omit<Arm, 'peers'> {
  const settings = policy !== undefined && settingsOf({ policy, tls, protocol })
  return { name, ...(where && { where }), weight, share, ...settings }
}

function shareOut(
  desired: Desired,
  { unit, split }: Matched,
  ground: Ground,
  asked: Asked,
  why: string[],
): Arm[] {
  const arms = split.split.map((arm) => {
    const one = desired.upstreams.get(arm.upstream)
    return { ...arm, one, compiled: compiledOf(one, arm, ground) }
  })
  const shares = sharesOf(unit, split, arms, asked, why)
  return arms.map((arm) => {
    const { upstream: name, where, weight, one, compiled } = arm
    const same = arms.filter((other) => other.compiled.name === compiled.name)
    const total = same.reduce((sum, each) => sum + each.weight, 0)
    const own = total === 0 ? 1 / same.length : weight / total
    const share = own * (shares.get(compiled.name) ?? 0)
    if (one === undefined) {
      why.push(`there is no upstream ${name}`)
      return { name, weight, share, peers: [], ...(where && { where }) }
    }
    const isUp = compiled.tiers.main.length > 0
    const told = tellPolicy(one, compiled.tiers, ground, asked.variables.http_cookie)
    const none = `upstream ${name} has no instance that is up${whereText(where)}`
    why.push(...(isUp ? told : [none]))
    const peers = peersOf(one, arm, ground, share)
    return { name, weight, share, ...(where && { where }), ...settingsOf(one), peers }
  })
}

function compiledOf(one: DesiredUpstream | undefined, arm: Part, ground: Ground): Compiled {
  return one === undefined
    ? compileNobody(arm)
    : compilePeers(one, ground, ground.conditionsOf(arm.upstream), arm.where)
}

/** Of those that requests are shared out among. */
function totalWeight(compiled: Compiled): number {
  return compiled.tiers.main.reduce((sum, { weight }) => sum + weight, 0)
}

/** Every instance; one that shares its address with another is shown with no share of its own, and one that waits as well. */
function peersOf(
  upstream: DesiredUpstream,
  { compiled, where = {} }: { compiled: Compiled; where?: Where },
  ground: Ground,
  share: number,
): Array<Record<string, unknown>> {
  const conditions = ground.conditionsOf(upstream.name)
  const total = totalWeight(compiled)
  const bySid = new Map(compiled.tiers.main.map((peer) => [peer.sid, peer]))
  const all = [...upstream.instances.values()]
  const meant = all.filter(({ record }) => isSelected(record.metadata, where))
  return meant.map((instance) => {
    const { host, port } = instance.record
    const peer = bySid.get(sidOf(host, port))
    const own = peer?.id === instance.id ? (share * peer.weight) / total : 0
    const shown = showInstance(instance, conditions.get(instance.id))
    return { upstream: upstream.name, ...shown, share: own }
  })
}

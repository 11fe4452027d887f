/**
 * Where a request would go, and why. It asks the same functions that make the table, so it cannot
 * be of another opinion.
 */
import type { FastifyInstance } from 'fastify'
import { parseIp } from '../../../contract/guard/address.js'
import { isWhole } from '../../../contract/guard/names.js'
import type { RouteAction } from '../../../contract/record/route-action.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { Desired } from '../../state/desired.js'
import { planHosts } from '../../table/host-planner.js'
import type { Finding, LaneNow, LanesView } from '../../views.js'
import type { ApiContext } from '../context.js'
import { describeAction } from './action.js'
import { serveArms } from './arms.js'
import type { GatewayContext, Served } from './arms.js'
import { explainGateways } from './gateways.js'
import { match } from './match.js'
import { explainStream, passingRoute } from './stream.js'
import type { StreamExplanation, StreamGround } from './stream.js'
import { withGiven } from '../http/given.js'
import { readResponses } from '../http/openapi.js'
import { askedBy } from './question.js'
import type { RequestQuestion } from './question.js'
import { ExplainQuery, PORT_EXPECTED } from '../schemas/parameters.js'
import { Explained } from '../schemas/state.js'

interface Explanation {
  revision: number
  host: string
  path: string
  outcome: 'served' | 'answered' | 'no_route' | 'no_peer'
  why: string[]
  route: ({ id: string | null; host: string; pathPrefix: string } & RouteAction) | null
  upstreams: Served['upstreams']
  peers: Served['peers']
}

export function registerExplain(app: FastifyInstance, { control }: ApiContext): void {
  const schema = {
    operationId: 'explain',
    summary: 'Which route, upstream and peers serve a request, or a connection, and why',
    tags: ['routes'],
    querystring: ExplainQuery,
    response: readResponses(Explained, 'Where it goes'),
  }
  app.get('/v1/explain', { schema }, (request) => {
    const { domains, zone, rawPaths } = control.settings
    const conditionsOf = (upstream: string) => control.conditionsOf(upstream)
    const tunedPorts = control.stream().tuned
    const sessionKey = () => control.sessionKey()
    const ground = { domains, zone, sessionKey, rawPaths, conditionsOf, tunedPorts }
    const explained = answer(control.desiredOfTable(), ground, request.query as Query)
    const { revision, peers, why } = explained
    why.push(...contests(control.findings(), explained))
    const gateways = explainGateways(control.gateways(), revision, peers, why)
    const lane = laneFor(control.lanes(), explained, (request.query as Query).path)
    why.push(...(lane === undefined ? [] : [laneText(lane)]))
    const isCurrent = gateways.every(({ current }) => current)
    return { ...explained, ...(lane && { lane }), applied: isCurrent, gateways }
  })
}

/** Whether nginx alone serves a request that is served; undefined where it chooses nothing. */
function laneFor(
  lanes: LanesView | undefined,
  explained: Explanation | StreamExplanation,
  path = '/',
): LaneNow | undefined {
  if (lanes === undefined || !('host' in explained) || explained.outcome !== 'served') {
    return undefined
  }
  const { host, upstreams } = explained
  const [only, ...more] = upstreams
  return lanes.ofRequest({ host, path, upstream: more.length === 0 ? only?.name : undefined })
}

function laneText({ state, reason }: LaneNow): string {
  return state === 'open' ? 'nginx alone serves it' : `the table serves it: ${reason}`
}

/** Who else wants the host or the port, and why it is not theirs. */
function contests(findings: Finding[], explained: Explanation | StreamExplanation): string[] {
  const claim =
    'host' in explained
      ? `${explained.route?.host}${explained.route?.pathPrefix}`
      : `${explained.protocol} ${explained.port}`
  return findings
    .filter(({ code, subject }) => code === 'host_contested' && subject === claim)
    .map(({ message }) => message)
}

interface Query {
  host?: string
  path?: string
  method?: string
  header?: string | string[]
  cookie?: string
  address?: string
  sni?: string
  port?: string
  protocol?: 'tcp' | 'udp'
}

const OF_REQUESTS = ['path', 'method', 'header', 'cookie'] as const

/** Throws `invalid` where `field` is given, and `isRight` says that it cannot be so. */
function refuse(field: string, value: unknown, isRight: boolean, expected: string): void {
  if (value !== undefined && !isRight) {
    throw new SluiceError('invalid', `${field} ${withGiven(`must be ${expected}`, value)}`, {
      field,
    })
  }
}

/** What no client could ever send would be explained as if it had been. */
function guardQuery({ address, port, header, method }: Query): void {
  const ip = address === undefined ? null : parseIp(address)
  refuse('address', address, ip !== null, 'an IP address such as 203.0.113.7 or 2001:db8::7')
  refuse('port', port, isWhole(Number(port), 1, 65_535), PORT_EXPECTED)
  refuse('method', method, /^[A-Za-z_-]+$/.test(method ?? ''), 'a method such as GET')
  for (const line of [header ?? []].flat()) {
    refuse('header', line, /^[^\s:]+:/.test(line), 'a line such as X-Canary: always')
  }
}

/** About a request where there is a host, otherwise about a connection. */
function answer(
  desired: Desired,
  ground: StreamGround,
  query: Query,
): Explanation | StreamExplanation {
  guardQuery(query)
  const { host, header, path = '/', sni, port, protocol, ...said } = query
  const isAbout = sni !== undefined || port !== undefined
  if ((host === undefined) !== isAbout) {
    const what = isAbout
      ? 'host is for requests, sni and port are for connections: ask about one of them'
      : 'host must be given, or sni, or port'
    throw new SluiceError('invalid', what, { field: 'host' })
  }
  if (host !== undefined) {
    if (protocol !== undefined) {
      const what = 'protocol is for connections; give port as well'
      throw new SluiceError('invalid', what, { field: 'protocol' })
    }
    const headers = header === undefined ? [] : [header].flat()
    return explain(desired, ground, { ...said, host, path, headers })
  }
  const field = OF_REQUESTS.find((name) => query[name] !== undefined)
  if (field !== undefined) {
    throw new SluiceError('invalid', `${field} is for requests; give host as well`, { field })
  }
  const number = port === undefined ? undefined : Number(port)
  return explainStream(desired, ground, { sni, port: number, protocol, address: query.address })
}

/** Of what the registry says and this gateway found out. */
function explain(desired: Desired, ground: GatewayContext, question: RequestQuestion): Explanation {
  const asked = askedBy(question)
  const plan = planHosts(desired.routes.values(), desired.upstreams.keys(), ground.domains)
  const why: string[] = []
  const matched = match(plan, asked, ground.rawPaths, why)
  const passing = passingRoute(desired, asked.host)
  if (passing !== undefined) {
    why.push(`over TLS route ${passing} passes this name through`)
  }
  const head = { revision: desired.revision, host: asked.host, path: asked.path }
  if (matched === undefined || matched === null) {
    const outcome = matched === null ? 'answered' : 'no_route'
    return { ...head, outcome, why, route: null, upstreams: [], peers: [] }
  }
  const { id, host, pathPrefix, split, action } = matched
  const route = { id, host, pathPrefix, ...action }
  why.push(...describeAction(action, asked.path, pathPrefix))
  if (action?.maintenance !== undefined || (action !== undefined && split.split.length === 0)) {
    return { ...head, outcome: 'answered', why, route, upstreams: [], peers: [] }
  }
  return { ...head, why, route, ...serveArms(desired, matched, ground, asked, why) }
}

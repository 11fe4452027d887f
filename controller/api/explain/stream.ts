/** Where a connection would go: to a port, or of a TLS client that asks for a name. */
import { portsIn } from '../../../contract/guard/ports.js'
import { UNTUNED, tuningName } from '../../../contract/record/tuning.js'
import type { Tuning } from '../../../contract/record/tuning.js'
import { SNI_PREFIX } from '../../../contract/table/mark.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { Desired } from '../../state/desired.js'
import { planHosts } from '../../table/host-planner.js'
import type { HostRoute, HostsPlan } from '../../table/host-plan.js'
import { asRoutes } from '../../table/stream-table.js'
import { serveArms } from './arms.js'
import type { GatewayContext, Served } from './arms.js'
import { splitOf } from './match.js'
import type { Matched } from './match.js'
import { askedBy, plainHost } from './question.js'

export interface StreamQuestion {
  sni?: string | undefined
  port?: number | undefined
  protocol?: 'tcp' | 'udp' | undefined
  /** The client's. */
  address?: string | undefined
}

export interface StreamExplanation extends Omit<Served, 'outcome'> {
  revision: number
  sni?: string
  port?: number
  protocol?: string
  outcome: 'served' | 'terminated' | 'no_route' | 'no_peer'
  why: string[]
  route: { id: string; sni?: string; port?: number } | null
}

export interface StreamGround extends GatewayContext {
  /** Ports of this gateway whose routes may be tuned. */
  tunedPorts: string
}

/** Throws `invalid` where no connection could be like that. */
export function explainStream(
  desired: Desired,
  ground: StreamGround,
  question: StreamQuestion,
): StreamExplanation {
  const { port, protocol = 'tcp' } = question
  const sni = question.sni === undefined ? undefined : plainHost(question.sni)
  if (sni !== undefined && protocol === 'udp') {
    throw new SluiceError('invalid', 'protocol must be tcp where sni is given', {
      field: 'protocol',
    })
  }
  const head = {
    revision: desired.revision,
    ...(sni !== undefined && { sni }),
    ...(port !== undefined && { port, protocol }),
  }
  const plan = planHosts(asRoutes(desired.streamRoutes.values()).values(), [], [])
  const why: string[] = []
  const matched = match(plan, { sni, port, protocol }, why)
  if (matched === undefined) {
    const outcome = port === undefined ? 'terminated' : 'no_route'
    return { ...head, outcome, why, route: null, upstreams: [], peers: [] }
  }
  const { route } = matched
  if (isClosed(desired, route.id, port, ground, why)) {
    return { ...head, outcome: 'no_route', why, route, upstreams: [], peers: [] }
  }
  const asked = askedBy({ host: '', path: '/', address: question.address })
  return { ...head, why, route, ...serveArms(desired, matched, ground, asked, why) }
}

function describeTuning({ timeouts, proxyProtocol }: Tuning): string[] {
  return [
    ...(timeouts === undefined ? [] : [`after ${timeouts.idleMs} ms of silence it is closed`]),
    ...(proxyProtocol === undefined ? [] : ['the instance gets the client by the PROXY protocol']),
  ]
}

/**
 * Whether this gateway takes no connections of the route, because it cannot do what the route
 * asks. The reason is reported.
 */
function isClosed(
  { streamRoutes }: Desired,
  route: string,
  port: number | undefined,
  { tunedPorts }: StreamGround,
  why: string[],
): boolean {
  const tuning = streamRoutes.get(route)?.record ?? {}
  why.push(...describeTuning(tuning))
  const isTuned = tuningName(tuning) !== UNTUNED
  if (!isTuned || port === undefined || portsIn(tunedPorts).includes(port)) {
    return false
  }
  why.push(`port ${port} of this gateway is none of its tunedPorts, so the connection is closed`)
  return true
}

interface MatchedStream extends Pick<Matched, 'unit' | 'split'> {
  route: NonNullable<StreamExplanation['route']>
}

function match(
  plan: HostsPlan,
  { sni, port, protocol }: StreamQuestion,
  why: string[],
): MatchedStream | undefined {
  const names = [
    ...(sni === undefined ? [] : namesFor(sni, port)),
    ...(port === undefined ? [] : [`${protocol}*${port}`]),
  ]
  const found = names.find((name) => plan.hosts.has(name)) ?? ''
  const line = lineOf(plan, found)
  if (line === undefined) {
    why.push(port === undefined ? `no route has the name ${sni}` : unknownAt(port, sni, protocol))
    return undefined
  }
  why.push(describeRoute(found, line, sni))
  if (plan.hosts.has(`${port}*`) && protocol === 'tcp') {
    why.push('the port has names: nginx waits for what the client says first')
  }
  const { target: unit } = line
  return { unit, split: splitOf(plan, unit), route: routeOf(found, line) }
}

/** Where what was found leads: the line for any path. */
function lineOf(plan: HostsPlan, found: string): HostRoute | undefined {
  return plan.hosts.get(found)?.routes.find(({ prefix }) => prefix === '/')
}

/** The route that has TLS of this name passed through at the HTTPS port. */
export function passingRoute({ streamRoutes }: Desired, host: string): string | undefined {
  const plan = planHosts(asRoutes(streamRoutes.values()).values(), [], [])
  const found = namesFor(host, undefined).find((name) => plan.hosts.has(name)) ?? ''
  return lineOf(plan, found)?.route
}

/** What the table is asked for, in this order (njs/stream/sni-lookup.ts). */
function namesFor(sni: string, port: number | undefined): string[] {
  const before = port === undefined ? SNI_PREFIX : `${port}*`
  const labels = sni.split('.')
  const wild = labels.slice(1).map((_, i) => `*.${labels.slice(i + 1).join('.')}`)
  return [sni, ...wild].map((name) => before + name)
}

function unknownAt(port: number, sni: string | undefined, protocol = 'tcp'): string {
  const name = sni === undefined ? '' : `the name ${sni} at port ${port}, or `
  return `no route has ${name}${protocol} port ${port}; the connection is closed`
}

/** `tls*app.example.com` → `app.example.com`; of `tcp*9100` undefined. */
function nameIn(found: string): string | undefined {
  return /^(tls|\d+)\*/.test(found) ? found.slice(found.indexOf('*') + 1) : undefined
}

function describeRoute(found: string, { route }: HostRoute, sni: string | undefined): string {
  const name = nameIn(found)
  if (name === undefined) {
    return `route ${route} has ${found.replace('*', ' port ')}`
  }
  return name === sni
    ? `name ${sni} matches exactly (route ${route})`
    : `name ${sni} matches ${name} (route ${route})`
}

function routeOf(found: string, { route: id }: HostRoute): MatchedStream['route'] {
  const name = nameIn(found)
  const port = Number(/^\d+|\d+$/.exec(found)?.[0] ?? NaN)
  const isOwn = name === undefined || !found.startsWith(SNI_PREFIX)
  return { id, ...(name !== undefined && { sni: name }), ...(isOwn && { port }) }
}

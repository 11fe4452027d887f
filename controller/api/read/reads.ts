/** The calls that show what is desired. They ask the controller's memory, never the registry. */
import type { FastifyInstance } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import type {
  DesiredCertificate,
  DesiredInstance,
  DesiredRoute,
  DesiredStreamRoute,
  DesiredUpstream,
} from '../../state/desired.js'
import { CertificateAnswer, Certificates } from '../schemas/certificate.js'
import { showCertificate } from '../change/certificates.js'
import type { LanesView } from '../../views.js'
import type { ApiContext } from '../context.js'
import { inFlightOfAll } from '../change/in-flight.js'
import { showInstance } from '../change/instances.js'
import { idTarget, instanceTarget, printTarget, upstreamTarget } from '../change/targets.js'
import type { CallTarget } from '../change/targets.js'
import { taggedResponses } from '../http/openapi.js'
import { sendTagged } from '../http/preconditions.js'
import { Route, Routes } from '../schemas/route.js'
import { showRoute } from '../change/routes.js'
import * as shapes from '../schemas/common.js'
import * as parameters from '../schemas/parameters.js'
import { settingsOf, showUpstream } from '../change/upstreams.js'

interface Names {
  upstream: string
  id: string
}

const query = { querystring: parameters.NoQuery }

export function registerReads(app: FastifyInstance, context: ApiContext): void {
  registerUpstreams(app, context)
  registerUpstream(app, context)
  registerInstance(app, context)
  registerRoutes(app, context)
  registerCertificates(app, context)
}

function registerUpstreams(app: FastifyInstance, context: ApiContext): void {
  const listed = {
    ...query,
    operationId: 'listUpstreams',
    summary: 'All upstreams, with how many instances are in which state',
    tags: ['upstreams'],
    response: taggedResponses(shapes.Upstreams),
  }
  app.get('/v1/upstreams', { schema: listed }, (request, reply) => {
    const { revision, upstreams } = context.control.desired()
    const lanes = context.control.lanes()
    const shown = sorted(upstreams).map((each) => ({
      ...showUpstream(each, context.control.conditionsOf(each.name)),
      ...laneOf(lanes, each.name),
    }))
    return sendTagged(request, reply, revision, { revision, upstreams: shown })
  })
}

function registerUpstream(app: FastifyInstance, context: ApiContext): void {
  const one = {
    ...query,
    operationId: 'getUpstream',
    summary: 'An upstream with its instances',
    tags: ['upstreams'],
    params: parameters.UpstreamParams,
    response: taggedResponses(shapes.Upstream),
  }
  app.get<{ Params: Names }>('/v1/upstreams/:upstream', { schema: one }, async (request, reply) => {
    const upstream = upstreamOf(context, request.params.upstream)
    const { name, revision, instances } = upstream
    const known = sorted(instances)
    const ids = known.map(({ id }) => id)
    const active = await inFlightOfAll(context.control, name, ids)
    const conditions = context.control.conditionsOf(name)
    const shown = known.map((each, i) => ({
      ...showInstance(each, conditions.get(each.id)),
      active: active[i] ?? null,
    }))
    return sendTagged(request, reply, revision, {
      name,
      ...settingsOf(upstream),
      ...laneOf(context.control.lanes(), name),
      ...(upstream.dns !== undefined && { dnsNames: context.control.dnsNamesOf(name) }),
      revision,
      instances: shown,
    })
  })
}

/** `{lane}`, where it is known. */
function laneOf(lanes: LanesView | undefined, name: string): { lane?: object } {
  const { state, reason, sinceAtMs } = lanes?.upstreams.get(name) ?? {}
  const why = reason !== undefined && { reason }
  return state === undefined ? {} : { lane: { state, ...why, sinceAtMs } }
}

function registerInstance(app: FastifyInstance, context: ApiContext): void {
  const schema = {
    ...query,
    operationId: 'getInstance',
    summary: 'One instance',
    tags: ['instances'],
    params: parameters.InstanceParams,
    response: taggedResponses(shapes.InstanceAnswer),
  }
  const url = '/v1/upstreams/:upstream/instances/:id'
  app.get<{ Params: Names }>(url, { schema }, async (request, reply) => {
    const target = instanceTarget('instance', request.params.upstream, request.params.id)
    const known = context.control.desired().upstreams.get(target.upstream)?.instances.get(target.id)
    if (known === undefined) {
      throw missing(target)
    }
    const [active = null] = await inFlightOfAll(context.control, target.upstream, [target.id])
    const revision = revisionOf(context, target.upstream, known)
    const condition = context.control.conditionsOf(target.upstream).get(target.id)
    return sendTagged(request, reply, revision, {
      ...showInstance(known, condition),
      active,
      revision,
    })
  })
}

function registerRoutes(app: FastifyInstance, context: ApiContext): void {
  const listed = {
    ...query,
    operationId: 'listRoutes',
    summary: 'All routes',
    tags: ['routes'],
    response: taggedResponses(Routes),
  }
  app.get('/v1/routes', { schema: listed }, (request, reply) => {
    const { revision, routes, streamRoutes } = context.control.desired()
    const all = new Map<string, DesiredRoute | DesiredStreamRoute>([...routes, ...streamRoutes])
    const shown = sorted(all).map(({ id, record }) => showRoute(id, record))
    return sendTagged(request, reply, revision, { revision, routes: shown })
  })
  const one = {
    ...query,
    operationId: 'getRoute',
    summary: 'One route',
    tags: ['routes'],
    params: parameters.IdParams,
    response: taggedResponses(Route),
  }
  app.get<{ Params: Names }>('/v1/routes/:id', { schema: one }, (request, reply) => {
    const known = routeOf(context, request.params.id)
    const { id, record, revision } = known
    return sendTagged(request, reply, revision, { ...showRoute(id, record), revision })
  })
}

function registerCertificates(app: FastifyInstance, context: ApiContext): void {
  const listed = {
    ...query,
    operationId: 'listCertificates',
    summary: 'All certificates, without their keys',
    tags: ['certificates'],
    response: taggedResponses(Certificates),
  }
  app.get('/v1/certificates', { schema: listed }, (request, reply) => {
    const { revision, certificates } = context.control.desired()
    const shown = sorted(certificates).map((each) => showCertificate(each.id, each))
    return sendTagged(request, reply, revision, { revision, certificates: shown })
  })
  const one = {
    ...query,
    operationId: 'getCertificate',
    summary: 'One certificate, without its key',
    tags: ['certificates'],
    params: parameters.IdParams,
    response: taggedResponses(CertificateAnswer),
  }
  app.get<{ Params: Names }>('/v1/certificates/:id', { schema: one }, (request, reply) => {
    const known = certificateOf(context, request.params.id)
    const { id, revision } = known
    return sendTagged(request, reply, revision, { ...showCertificate(id, known), revision })
  })
}

function certificateOf({ control }: ApiContext, id: string): DesiredCertificate {
  const target = idTarget('certificate', id)
  const known = control.desired().certificates.get(target.id)
  if (known === undefined) {
    throw missing(target)
  }
  return known
}

function upstreamOf({ control }: ApiContext, name: string): DesiredUpstream {
  const target = upstreamTarget(name)
  const known = control.desired().upstreams.get(target.upstream)
  if (known === undefined) {
    throw missing(target)
  }
  return known
}

function routeOf({ control }: ApiContext, id: string): DesiredRoute | DesiredStreamRoute {
  const target = idTarget('route', id)
  const { routes, streamRoutes } = control.desired()
  const known = routes.get(target.id) ?? streamRoutes.get(target.id)
  if (known === undefined) {
    throw missing(target)
  }
  return known
}

function revisionOf({ touched }: ApiContext, upstream: string, instance: DesiredInstance): number {
  return Math.max(instance.revision, touched.revisionOf({ upstream, id: instance.id }))
}

function missing(target: CallTarget): SluiceError {
  return new SluiceError('not_found', `there is no ${printTarget(target)}`)
}

function sorted<T>(things: ReadonlyMap<string, T>): T[] {
  return [...things.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, thing]) => thing)
}

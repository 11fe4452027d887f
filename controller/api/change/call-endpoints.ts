/** The calls that change one thing each, as REST: their schemas, and what is made of a request. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answerCall, sendAnswer, whoOf, withoutCall } from './answers.js'
import { limitOf, pendingAfter, signalOf } from './applied.js'
import { callRow } from './call-table.js'
import type { PathNames } from './call-table.js'
import type { ChangeCall } from './change-call.js'
import type { ApiContext } from '../context.js'
import { drainBody } from './drain.js'
import { whenDrained } from './drain-progress.js'
import { instanceTarget } from './targets.js'
import { CertificateBody, CertificateChanged } from '../schemas/certificate.js'
import { changeResponses } from '../http/openapi.js'
import { preconditionsOf } from '../http/preconditions.js'
import { RouteBody, RouteChanged } from '../schemas/route.js'
import * as shapes from '../schemas/common.js'
import * as parameters from '../schemas/parameters.js'
import type { Described } from '../http/transport.js'

const ofUpstream = { params: parameters.UpstreamParams, tags: ['upstreams'] }
const ofInstance = { params: parameters.InstanceParams, tags: ['instances'] }
const ofCertificate = { params: parameters.IdParams, tags: ['certificates'] }
const ofRoute = { params: parameters.IdParams, tags: ['routes'] }
const common = { headers: parameters.ChangeHeaders, querystring: parameters.WaitQuery }

export function registerCalls(app: FastifyInstance, context: ApiContext): void {
  registerUpstreams(app, context)
  registerInstances(app, context)
  registerRoutes(app, context)
  registerCertificates(app, context)
  registerDrains(app, context)
}

function registerUpstreams(app: FastifyInstance, context: ApiContext): void {
  const { UpstreamBody, UpstreamPatch, UpstreamChanged, Deleted } = shapes
  const about = { ...common, ...ofUpstream }
  add(app, context, {
    ...about,
    operationId: 'putUpstream',
    summary: 'Make an upstream, or set its policy and whether it is reached over TLS',
    body: UpstreamBody,
    response: changeResponses(UpstreamChanged, true),
  })
  add(app, context, {
    ...about,
    operationId: 'patchUpstream',
    summary: 'Change parts of these (merge patch)',
    body: UpstreamPatch,
    response: changeResponses(UpstreamChanged),
  })
  add(app, context, {
    ...about,
    operationId: 'deleteUpstream',
    summary: 'Delete it when empty, or with ?force=true with its instances and their drains',
    querystring: parameters.DeleteUpstreamQuery,
    response: changeResponses(Deleted),
  })
}

function registerInstances(app: FastifyInstance, context: ApiContext): void {
  const { InstanceBody, InstancePatch, InstanceChanged, Deleted } = shapes
  const about = { ...common, ...ofInstance }
  add(app, context, {
    ...about,
    operationId: 'putInstance',
    summary: 'Register an instance, or register it again',
    description:
      'With ttlMs it must be put again within that time, or it goes. To put the same again changes nothing but that. ' +
      'A drained instance stays drained.',
    body: InstanceBody,
    response: changeResponses(InstanceChanged, true),
  })
  add(app, context, {
    ...about,
    operationId: 'patchInstance',
    summary: 'Change parts of an instance (merge patch)',
    body: InstancePatch,
    response: changeResponses(InstanceChanged),
  })
  add(app, context, {
    ...about,
    operationId: 'deleteInstance',
    summary: 'Take an instance away; a drain of it stays for when it comes back',
    response: changeResponses(Deleted),
  })
}

function registerRoutes(app: FastifyInstance, context: ApiContext): void {
  const { Deleted } = shapes
  const about = { ...common, ...ofRoute }
  add(app, context, {
    ...about,
    operationId: 'putRoute',
    summary: 'Send hosts (and a path prefix) to an upstream, or to several by weight',
    body: RouteBody,
    response: changeResponses(RouteChanged, true),
  })
  add(app, context, {
    ...about,
    operationId: 'deleteRoute',
    summary: 'Delete a route',
    response: changeResponses(Deleted),
  })
}

function registerCertificates(app: FastifyInstance, context: ApiContext): void {
  const about = { ...common, ...ofCertificate }
  add(app, context, {
    ...about,
    operationId: 'putCertificate',
    summary: 'Serve a certificate for the names in it, from the next handshake on',
    description: 'Of two certificates for one name, the one that is valid longer serves.',
    body: CertificateBody,
    response: changeResponses(CertificateChanged, true),
  })
  add(app, context, {
    ...about,
    operationId: 'deleteCertificate',
    summary: 'Serve it no longer',
    response: changeResponses(shapes.Deleted),
  })
}

function registerDrains(app: FastifyInstance, context: ApiContext): void {
  const about = { ...common, ...ofInstance }
  const schema: Described = {
    ...about,
    operationId: 'drainInstance',
    summary: 'No new request from now on; what is in flight finishes',
    description:
      'With waitMs it answers when nothing is in flight at any known gateway, or when the time is over. ' +
      '`drained` is true only when every one of them has applied it and has reported 0. ' +
      'When another call undoes the drain before that, the answer is 409.',
    body: shapes.DrainBody,
    response: changeResponses(shapes.Drained),
  }
  const { pattern, role } = callRow(schema.operationId)
  app.post(pattern, { schema, config: { role } }, (request, reply) =>
    drain(context, request, reply),
  )
  add(app, context, {
    ...about,
    operationId: 'undrainInstance',
    summary: 'The inverse of drain',
    body: shapes.UndrainBody,
    response: changeResponses(shapes.Undrained),
  })
}

function add(app: FastifyInstance, context: ApiContext, schema: Described): void {
  const { operationId, method, pattern, role, target } = callRow(schema.operationId)
  const handler = (request: FastifyRequest, reply: FastifyReply) => {
    const { force } = request.query as { force?: string }
    return answerCall(context, request, reply, {
      operationId,
      target: target(request.params as PathNames),
      body: request.body,
      force: force === 'true' || force === '',
      ...preconditionsOf(request),
    })
  }
  app.route({ method, url: pattern, schema, config: { role }, handler })
}

async function drain(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { upstream: name, id } = request.params as PathNames
  const target = instanceTarget('drain', name, id)
  const { waitMs } = drainBody(request.body)
  const untilMs = performance.now() + waitMs
  const { body } = request
  const about = { operationId: 'drainInstance', target, body }
  const call: ChangeCall = { ...about, ...preconditionsOf(request) }
  const { committer, control } = context
  const { revision, outcomes, warnings } = await committer.commit(
    [call],
    whoOf(request),
    (error) => error,
  )
  const signal = signalOf(reply, context)
  const limitMs = Math.max(limitOf(request), waitMs)
  const late = await pendingAfter(context, revision, limitMs, signal)
  const drained = await whenDrained(control, { target, revision, late, untilMs, signal })
  return sendAnswer(reply, {
    revision,
    pending: drained.pending,
    shown: { ...outcomes[0]?.shown, ...drained.progress },
    warnings: warnings.map(withoutCall),
  })
}

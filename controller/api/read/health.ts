/** For load balancers, orchestrators and Prometheus; no token is needed on loopback. */
import type { FastifyInstance } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import { showSoonest } from '../change/certificates.js'
import type { ApiContext } from '../context.js'
import { showGateway } from './gateways.js'
import { reasonNotReady, showStatus } from './status.js'
import { readResponses, textResponses } from '../http/openapi.js'
import { NoQuery, VerboseQuery } from '../schemas/parameters.js'
import * as shapes from '../schemas/state.js'
import type { ControllerForApi } from '../../controller-for-api.js'

const about = { tags: ['state'] }

export function registerHealth(app: FastifyInstance, context: ApiContext): void {
  const { control } = context
  const alive = {
    ...about,
    operationId: 'healthz',
    summary: 'The process answers',
    querystring: NoQuery,
    response: readResponses(shapes.Alive, 'Alive'),
  }
  app.get('/healthz', { schema: alive, config: { open: true } }, () => ({ status: 'ok' }))
  const ready = {
    ...about,
    operationId: 'readyz',
    summary:
      'The gateway had all that the registry says, once; stays so while the registry is away',
    querystring: VerboseQuery,
    response: readResponses(shapes.Ready, 'Ready'),
  }
  app.get('/readyz', { schema: ready, config: { open: true } }, (request) => {
    const { verbose } = request.query as { verbose?: string }
    if (!control.ready()) {
      throw notReady(control)
    }
    return verbose === 'true' || verbose === '' ? details(control) : { ready: true }
  })
  registerMetrics(app, context)
}

function registerMetrics(app: FastifyInstance, { metrics }: ApiContext): void {
  const schema = {
    ...about,
    operationId: 'metrics',
    summary: 'For Prometheus',
    querystring: NoQuery,
    response: textResponses('text/plain', 'The text format of Prometheus'),
  }
  app.get('/metrics', { schema, config: { open: true } }, async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.metrics()),
  )
}

function notReady(control: ControllerForApi): SluiceError {
  const { code, reason } = reasonNotReady(control)
  return new SluiceError(code, reason)
}

function details(control: ControllerForApi): object {
  const { kind, connected, syncedAtMs } = control.registryView()
  return {
    ...showStatus(control),
    registry: { kind, connected, syncedAtMs: syncedAtMs ?? null },
    gateways: control.gateways().map(showGateway),
    suspects: control.suspects().length,
    certificates: showSoonest(control.desired().certificates.values()),
  }
}

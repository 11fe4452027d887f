/** `/v1/gateways`: the gateways of this controller's registry, and the end of waiting for one. */
import type { FastifyInstance } from 'fastify'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { GatewayView } from '../../views.js'
import type { ApiContext } from '../context.js'
import { guardName } from '../change/targets.js'
import { readResponses } from '../http/openapi.js'
import { NoQuery } from '../schemas/parameters.js'
import * as shapes from '../schemas/state.js'

const about = { querystring: NoQuery, tags: ['gateways'] }

export function registerGateways(app: FastifyInstance, { control }: ApiContext): void {
  const listed = {
    ...about,
    operationId: 'listGateways',
    summary: 'Each gateway: what it has applied, and what it should have',
    response: readResponses(shapes.GatewaysAnswer),
  }
  app.get('/v1/gateways', { schema: listed }, () => {
    const { revision } = control.desired()
    return { revision, gateways: control.gateways().map(showWhole) }
  })
  registerForget(app, control)
}

function registerForget(app: FastifyInstance, control: ControllerForApi): void {
  const schema = {
    ...about,
    operationId: 'forgetGateway',
    summary: 'Wait no longer for a gateway that is gone for good',
    description:
      'Until then nothing is applied or drained everywhere while it is away: it may serve. ' +
      'One whose controller runs is not forgotten; one that comes back is known again.',
    response: readResponses(shapes.Forgotten, 'It is forgotten'),
  }
  app.delete('/v1/gateways/:id', { schema }, async (request) => {
    const id = guardName((request.params as { id: string }).id, 'gateway')
    await control.forgetGateway(id)
    const facts = { audit: true, who: request.caller, requestId: request.id, gateway: id }
    control.log.info(facts, 'gateway forgotten')
    return { forgotten: id }
  })
}

/** With what it found out about instances. */
function showWhole(gateway: GatewayView): object {
  return { ...showGateway(gateway), conditions: gateway.conditions }
}

export function showGateway(gateway: GatewayView): object {
  const { id, applied, desired, lagMs, connected, workers, nginx, njs } = gateway
  const { sinceAtMs, nginxFetchedAtMs, stream, reason, code } = gateway
  const shown = { id, applied, desired, lagMs, connected, workers, nginx, njs }
  return {
    ...shown,
    ...(sinceAtMs !== undefined && { sinceAtMs }),
    ...(nginxFetchedAtMs !== undefined && { nginxFetchedAtMs }),
    ...(stream !== undefined && { stream }),
    ...(reason !== undefined && { reason }),
    ...(code !== undefined && { code }),
  }
}

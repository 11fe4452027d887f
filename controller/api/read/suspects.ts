/** `/v1/suspects`: removals that are held because too much went at once, and their belief. */
import type { FastifyInstance } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import { fieldsOf } from '../change/bodies.js'
import type { ApiContext } from '../context.js'
import { guardName } from '../change/targets.js'
import { readResponses } from '../http/openapi.js'
import { NoQuery } from '../schemas/parameters.js'
import * as shapes from '../schemas/state.js'

const about = { querystring: NoQuery, tags: ['gateways'] }

export function registerSuspects(app: FastifyInstance, { control }: ApiContext): void {
  registerList(app, control)
  registerConfirm(app, control)
}

function registerList(app: FastifyInstance, control: ControllerForApi): void {
  const schema = {
    ...about,
    operationId: 'listSuspects',
    summary: 'Removals that are held because too much went at once',
    response: readResponses(shapes.SuspectsAnswer),
  }
  app.get('/v1/suspects', { schema }, () => {
    const { revision } = control.desired()
    return { revision, suspects: control.suspects() }
  })
}

function registerConfirm(app: FastifyInstance, control: ControllerForApi): void {
  const schema = {
    ...about,
    operationId: 'confirmSuspects',
    summary: 'Believe held removals, of one upstream or all',
    body: shapes.ConfirmBody,
    response: readResponses(shapes.Confirmed, 'What is believed now'),
  }
  app.post('/v1/suspects/confirm', { schema }, (request) => {
    const { upstream } = fieldsOf(request.body, ['upstream'], true)
    const name = upstream === undefined ? undefined : guardName(upstream, 'upstream')
    const confirmed = heldOf(control, name)
    control.confirmSuspects(name)
    const facts = { audit: true, who: request.caller, requestId: request.id, confirmed }
    control.log.info(facts, 'suspects confirmed')
    return { confirmed }
  })
}

/**
 * Of one upstream, or of all. Throws `not_found` for a name that no upstream has: a typing error
 * would seem to have worked.
 */
function heldOf(
  control: ControllerForApi,
  name: string | undefined,
): ReturnType<ControllerForApi['suspects']> {
  const held = control.suspects().filter((one) => name === undefined || one.upstream === name)
  if (name !== undefined && held.length === 0 && !control.desired().upstreams.has(name)) {
    throw new SluiceError('not_found', `there is no upstream ${name}`)
  }
  return held
}

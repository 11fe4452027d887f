/** GET /v1/status: whether all is well, and if not, what is wrong, since when, and what to do. */
import type { FastifyInstance } from 'fastify'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { ApiContext } from '../context.js'
import { readResponses } from '../http/openapi.js'
import { NoQuery } from '../schemas/parameters.js'
import { Status } from '../schemas/state.js'

export function registerStatus(app: FastifyInstance, { control }: ApiContext): void {
  const schema = {
    operationId: 'getStatus',
    summary: 'Whether all is well, and what is wrong',
    description:
      '`ready` says that the gateway may serve; `well` says that it is ready and that there is no finding. ' +
      'The codes of findings never change.',
    tags: ['state'],
    querystring: NoQuery,
    response: readResponses(Status),
  }
  app.get('/v1/status', { schema }, () => showStatus(control))
}

/**
 * `{well, ready, reason?, revision, lanes?, sources?, findings}`; `reason`: why it is not ready.
 */
export function showStatus(control: ControllerForApi): object {
  const findings = control.findings()
  const ready = control.ready()
  const lanes = control.lanes()
  const sources = control.sources()
  return {
    well: ready && findings.length === 0,
    ready,
    ...(!ready && { reason: reasonNotReady(control).reason }),
    revision: control.desired().revision,
    ...(lanes !== undefined && {
      lanes: { ...lanes.counts(), written: lanes.isWritten },
    }),
    ...(sources.length > 0 && { sources }),
    findings,
  }
}

/** Why the gateway may not serve yet. */
export function reasonNotReady(control: ControllerForApi): {
  code: 'registry_unavailable' | 'gateway_unavailable'
  reason: string
} {
  const { kind, connected, syncedAtMs } = control.registryView()
  if (!connected || syncedAtMs === undefined) {
    return { code: 'registry_unavailable', reason: `the registry (${kind}) was not read yet` }
  }
  const reasons = control
    .gateways()
    .flatMap(({ id, reason }) => (reason ? [`${id}: ${reason}`] : []))
  const why = reasons.length > 0 ? `: ${reasons.join('; ')}` : ''
  return { code: 'gateway_unavailable', reason: `no gateway had all of it yet${why}` }
}

/** How long a change waits for the gateways, and which of them have not applied it then. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Code } from '../../../contract/codes.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { GatewayView } from '../../views.js'
import { awayText } from './away-text.js'
import { KNOWN_LIMIT_MS } from './committer.js'
import type { ApiContext } from '../context.js'

/** How long a change waits for the gateways before it is answered with 202. */
const APPLIED_LIMIT_MS = 5_000
/** With `?wait=none`: just long enough to read one's own change back from this controller. */
const BRIEF_LIMIT_MS = 250

/** Milliseconds that the call lets a change wait for its gateways. */
export function limitOf(request: FastifyRequest): number {
  return (request.query as { wait?: string }).wait === 'none' ? 0 : APPLIED_LIMIT_MS
}

/** A gateway that has not applied a change, and why, where that is known. */
export interface Pending {
  id: string
  code?: Code
  reason?: string
}

/**
 * The gateways that have not applied `revision` when `limitMs` is over or `signal` aborts. Those
 * that have been away for long are waited for only where the caller gave more than the usual time.
 */
export async function pendingAfter(
  { control, committer }: ApiContext,
  revision: number,
  limitMs: number,
  signal: AbortSignal,
): Promise<Pending[]> {
  const waitsForAway = limitMs > APPLIED_LIMIT_MS
  const endsAtMs = performance.now() + limitMs
  if (!(await committer.known(revision, limitMs === 0 ? BRIEF_LIMIT_MS : KNOWN_LIMIT_MS))) {
    // It is written, but the controller does not hear from the registry, so no gateway was given
    // it.
    return [{ id: control.gatewayId }]
  }
  const leftMs = Math.max(0, endsAtMs - performance.now())
  const pending = await control.whenApplied(revision, leftMs, { waitsForAway, signal })
  return pending.map(whyPending)
}

/** The gateways that have not applied `revision` now, which this controller knows. */
export async function pendingNow(control: ControllerForApi, revision: number): Promise<Pending[]> {
  return (await control.whenApplied(revision, 0)).map(whyPending)
}

/** What keeps a gateway from having a change; nothing where it is only late. */
function whyPending({ id, connected, sinceAtMs, code, reason }: GatewayView): Pending {
  if (connected) {
    return { id, ...(code !== undefined && reason !== undefined && { code, reason }) }
  }
  return { id, code: code ?? 'gateway_unavailable', reason: awayText(sinceAtMs, reason) }
}

/** Aborted when the caller hangs up or the API stops. */
export function signalOf(reply: FastifyReply, { closing }: ApiContext): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return AbortSignal.any([gone.signal, closing.signal])
}

/** How long a change waits for the gateways, and which of them have not applied it then. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Code } from '../../../contract/codes.js'
import type { GatewayView } from '../../views.js'
import { awayText } from './away-text.js'
import { KNOWN_LIMIT_MS } from './committer.js'
import type { ApiContext } from '../context.js'

/** How long a change waits for the gateways before it is answered with 202. */
const APPLIED_LIMIT_MS = 5_000
/** With `?wait=none`: just long enough to read one's own change back from this controller. */
const BRIEF_LIMIT_MS = 250
/** So that a wait ends soon after the API begins to stop. */
const SLICE_MS = 1_000

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
  const endsAtMs = Date.now() + limitMs
  if (!(await committer.known(revision, limitMs === 0 ? BRIEF_LIMIT_MS : KNOWN_LIMIT_MS))) {
    // It is written, but the controller does not hear from the registry, so no gateway was given
    // it.
    return [{ id: control.gatewayId }]
  }
  for (;;) {
    const leftMs = Math.max(0, endsAtMs - Date.now())
    const sliceMs = Math.min(leftMs, SLICE_MS)
    const startedAtMs = Date.now()
    const pending = await control.whenApplied(revision, sliceMs, waitsForAway)
    const endedEarly = Date.now() - startedAtMs < sliceMs / 2
    if (pending.length === 0 || leftMs <= SLICE_MS || endedEarly || signal.aborted) {
      return pending.map(whyPending)
    }
  }
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

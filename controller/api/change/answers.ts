/** How a committed change is answered: once every known gateway has it, or what is still pending. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import type { Code } from '../../../contract/codes.js'
import type { GatewayView } from '../../views.js'
import { awayText } from './away-text.js'
import type { Call } from './call.js'
import { KNOWN_LIMIT_MS } from './committer.js'
import type { Who } from './committer.js'
import type { ApiContext } from '../context.js'

/** How long a change waits for the gateways before it is answered with 202. */
const APPLIED_LIMIT_MS = 5_000
/** With `?wait=none`: just long enough to read one's own change back from this controller. */
const BRIEF_LIMIT_MS = 250
/** So that a wait ends soon after the API is told to stop. */
const SLICE_MS = 1_000

/** Milliseconds that the call lets a change wait for its gateways. */
export function limitOf(request: FastifyRequest): number {
  return (request.query as { wait?: string }).wait === 'none' ? 0 : APPLIED_LIMIT_MS
}

export function whoOf(request: FastifyRequest): Who {
  return { caller: request.caller, requestId: request.id }
}

/** `"17"` → 17. Throws `invalid` for any other form; the header may be absent. */
export function ifMatchOf(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']
  if (header === undefined) {
    return undefined
  }
  const match = /^"(\d{1,15})"$/.exec(header)
  if (match === null) {
    const what = 'If-Match must be one revision in double quotes, such as "17"'
    throw new SluiceError('invalid', what, { field: 'If-Match' })
  }
  return Number(match[1])
}

/** A gateway that has not applied a change, and why, where that is known. */
export interface Pending {
  id: string
  code?: Code
  reason?: string
}

/**
 * The gateways that have not applied `revision` when `limitMs` is over or `signal` aborts. Those
 * that have been away for long are waited for only where the caller gave a time of its own.
 */
export async function pendingAfter(
  { control, committer }: ApiContext,
  revision: number,
  limitMs: number,
  signal: AbortSignal,
): Promise<Pending[]> {
  const isPatient = limitMs > APPLIED_LIMIT_MS
  const endsAtMs = Date.now() + limitMs
  if (!(await committer.known(revision, limitMs === 0 ? BRIEF_LIMIT_MS : KNOWN_LIMIT_MS))) {
    // It is written, but the controller does not hear from the registry, so it cannot have told any gateway.
    return [{ id: control.gatewayId }]
  }
  for (;;) {
    const leftMs = Math.max(0, endsAtMs - Date.now())
    const sliceMs = Math.min(leftMs, SLICE_MS)
    const startedAtMs = Date.now()
    const pending = await control.whenApplied(revision, sliceMs, isPatient)
    const endedEarly = Date.now() - startedAtMs < sliceMs / 2
    if (pending.length === 0 || leftMs <= SLICE_MS || endedEarly || signal.aborted) {
      return pending.map(whyPending)
    }
  }
}

export interface ChangeAnswer {
  revision: number
  pending: Pending[]
  created?: boolean
  shown: Record<string, unknown>
}

/** 201 for what is new, 200 for the rest, 202 when gateways are pending. */
export function sendAnswer(
  reply: FastifyReply,
  { revision, pending, created, shown }: ChangeAnswer,
): FastifyReply {
  const applied = pending.length === 0
  const status = applied ? (created === true ? 201 : 200) : 202
  return reply
    .code(status)
    .header('etag', `"${revision}"`)
    .send({
      ...shown,
      applied,
      revision,
      ...(!applied && { pending: pending.map(({ id }) => id), ...reasonsOf(pending) }),
    })
}

/** What keeps a gateway from having a change; nothing where it is only late. */
function whyPending({ id, connected, sinceAtMs, code, reason }: GatewayView): Pending {
  if (connected) {
    return { id, ...(code !== undefined && reason !== undefined && { code, reason }) }
  }
  return { id, code: code ?? 'gateway_unavailable', reason: awayText(sinceAtMs, reason) }
}

/** `{reasons: {<gateway>: {code, message}}}` of those that say what is wrong; nothing when none does. */
function reasonsOf(pending: Pending[]): object {
  const reasons = pending.flatMap(({ id, code, reason: message }) =>
    code === undefined ? [] : [[id, { code, message }] as const],
  )
  return reasons.length === 0 ? {} : { reasons: Object.fromEntries(reasons) }
}

/** Commits one call and answers it. */
export async function answerCall(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  call: Call,
): Promise<FastifyReply> {
  const { revision, outcomes } = await context.committer.commit(
    [call],
    whoOf(request),
    (error) => error,
  )
  const [outcome] = outcomes
  const pending = await pendingAfter(context, revision, limitOf(request), context.closing.signal)
  return sendAnswer(reply, {
    revision,
    pending,
    ...(outcome ?? { shown: {} }),
  })
}

/** Aborted when the caller hangs up or the API stops. */
export function signalOf(reply: FastifyReply, { closing }: ApiContext): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return AbortSignal.any([gone.signal, closing.signal])
}

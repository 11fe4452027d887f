/** How a committed change is answered: once every connected gateway has it, or what is still pending. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import type { Control } from '../../control.js'
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

/** The connected gateways that have not applied `revision` when `limitMs` is over or `signal` aborts. */
export async function pendingAfter(
  { control, committer }: ApiContext,
  revision: number,
  limitMs: number,
  signal: AbortSignal,
): Promise<string[]> {
  const endsAtMs = Date.now() + limitMs
  if (!(await committer.known(revision, limitMs === 0 ? BRIEF_LIMIT_MS : KNOWN_LIMIT_MS))) {
    // It is written, but the controller does not hear from the registry, so it cannot have told any gateway.
    return [control.gatewayId]
  }
  for (;;) {
    const leftMs = Math.max(0, endsAtMs - Date.now())
    const pending = await control.whenApplied(revision, Math.min(leftMs, SLICE_MS))
    if (pending.length === 0 || leftMs <= SLICE_MS || signal.aborted) {
      return pending
    }
  }
}

export interface ChangeAnswer {
  control: Control
  revision: number
  pending: string[]
  created?: boolean
  shown: Record<string, unknown>
}

/** 201 for what is new, 200 for the rest, 202 when gateways are pending. */
export function sendAnswer(
  reply: FastifyReply,
  { control, revision, pending, created, shown }: ChangeAnswer,
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
      ...(!applied && { pending, ...reasonsOf(control, pending) }),
    })
}

/** `{reasons: {<gateway>: {code, message}}}` of those that say what is wrong; nothing when none does. */
function reasonsOf(control: Control, pending: string[]): object {
  const told = control
    .gateways()
    .filter(({ id }) => pending.includes(id))
    .flatMap(({ id, code, reason: message }) =>
      code === undefined ? [] : [[id, { code, message }] as const],
    )
  return told.length === 0 ? {} : { reasons: Object.fromEntries(told) }
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
    control: context.control,
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

/** Answers a committed change: every known gateway applied it, or which did not, and why. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { limitOf, pendingAfter } from './applied.js'
import type { Pending } from './applied.js'
import type { ChangeCall } from './change-call.js'
import type { Who } from './committer.js'
import type { ApiContext } from '../context.js'
import type { Warning } from './warnings.js'

export function whoOf(request: FastifyRequest): Who {
  return { caller: request.caller, requestId: request.id }
}

export interface ChangeAnswer {
  revision: number
  pending: Pending[]
  created?: boolean
  warnings?: readonly Warning[]
  shown: Record<string, unknown>
}

/** 201 for what is new, 200 for the rest, 202 when gateways are pending. */
export function sendAnswer(
  reply: FastifyReply,
  { revision, pending, created, warnings = [], shown }: ChangeAnswer,
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
      ...(warnings.length > 0 && { warnings }),
    })
}

/**
 * `{reasons: {<gateway>: {code, message}}}` of those that say what is wrong; nothing when none
 * does.
 */
function reasonsOf(pending: Pending[]): object {
  const reasons = pending.flatMap(({ id, code, reason: message }) =>
    code === undefined ? [] : [[id, { code, message }] as const],
  )
  return reasons.length === 0 ? {} : { reasons: Object.fromEntries(reasons) }
}

/** The warning of a single call, which has only one operation. */
export function withoutCall({ code, field, message }: Warning): Warning {
  return { code, field, message }
}

/** Commits one call and answers it. */
export async function answerCall(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  call: ChangeCall,
): Promise<FastifyReply> {
  const { revision, outcomes, warnings } = await context.committer.commit(
    [call],
    whoOf(request),
    (error) => error,
  )
  const [outcome] = outcomes
  const pending = await pendingAfter(context, revision, limitOf(request), context.closing.signal)
  return sendAnswer(reply, {
    revision,
    pending,
    warnings: warnings.map(withoutCall),
    ...(outcome ?? { shown: {} }),
  })
}

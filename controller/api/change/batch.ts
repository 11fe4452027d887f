/**
 * Many changes as one: all or nothing, at one revision. Each operation does what the single call of
 * its path does.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import { sendAnswer, whoOf } from './answers.js'
import { limitOf, pendingAfter } from './applied.js'
import { findCall } from './call-table.js'
import type { ChangeCall } from './change-call.js'
import type { ApiContext } from '../context.js'
import type { Difference } from './draft.js'
import { drainBody } from './drain.js'
import type { LocatedWarning, Warning } from './warnings.js'
import { changeResponses } from '../http/openapi.js'
import * as shapes from '../schemas/common.js'
import * as parameters from '../schemas/parameters.js'
import { checkerOf } from '../http/transport.js'

const BODY_LIMIT_BYTES = 8 * 1024 * 1024

interface Operation {
  method: string
  path: string
  body?: unknown
  ifMatch?: number | string
}

const guardBody: (body: unknown) => void = checkerOf(shapes.BatchBody, 'field')

export function registerBatch(app: FastifyInstance, context: ApiContext): void {
  const schema = {
    operationId: 'batch',
    summary: 'Many changes, all or nothing, at one revision',
    description:
      'Later operations see earlier ones; ifMatch is compared with what was there before the batch. ' +
      'With dryRun nothing is written, and the answer is the difference.',
    tags: ['batch'],
    querystring: parameters.WaitQuery,
    body: shapes.BatchBody,
    response: changeResponses(shapes.BatchAnswer),
  }
  app.post('/v1/batch', { schema, bodyLimit: BODY_LIMIT_BYTES }, async (request, reply) => {
    const { calls, dryRun } = callsOf(request)
    if (dryRun) {
      const { revision, differences, warnings } = await context.committer.rehearse(calls, locate)
      const changes = differences.map(shownDifference)
      return reply.send({ dryRun: true, revision, changes, ...shownWarnings(warnings) })
    }
    const committed = await context.committer.commit(calls, whoOf(request), locate)
    const { revision, differences, warnings } = committed
    const limitMs = limitOf(request)
    const pending = await pendingAfter(context, revision, limitMs, context.closing.signal)
    return sendAnswer(reply, {
      revision,
      pending,
      warnings: warnings.map(located),
      shown: { changes: differences.length },
    })
  })
}

function callsOf(request: FastifyRequest): { calls: ChangeCall[]; dryRun: boolean } {
  if (request.headers['if-match'] !== undefined) {
    const what =
      'If-Match is for a single call; in a batch, operations have an ifMatch of their own'
    throw new SluiceError('invalid', what, { field: 'If-Match' })
  }
  // No body at all is null here.
  guardBody(request.body ?? undefined)
  const { operations, dryRun } = request.body as { operations: Operation[]; dryRun?: boolean }
  return { calls: operations.map(callOf), dryRun: dryRun === true }
}

function callOf({ method, path, body, ifMatch }: Operation, index: number): ChangeCall {
  const { row, target, query } = found(method, path, index)
  const force = query.get('force')
  const mayForce = row.operationId === 'deleteUpstream'
  const extra = [...query.keys()].find((name) => name !== 'force' || !mayForce)
  if (extra !== undefined || (force !== null && !/^(true|false|)$/.test(force))) {
    const what = `query parameter ${JSON.stringify((extra ?? 'force').slice(0, 100))} does not fit the path`
    throw locate(new SluiceError('invalid', what), index, 'path')
  }
  if (target.kind === 'drain') {
    refuseWait(body, index)
  }
  return {
    operationId: row.operationId,
    target,
    body,
    force: force === 'true' || force === '',
    ...(ifMatch !== undefined && { ifMatch: Number(String(ifMatch).replaceAll('"', '')) }),
  }
}

function found(method: string, path: string, index: number): ReturnType<typeof findCall> {
  try {
    return findCall(method, path)
  } catch (error) {
    if (!(error instanceof SluiceError)) {
      throw error
    }
    if (error.code === 'method_not_allowed') {
      throw locate(error, index)
    }
    // A wrong path is wrong input here: the batch itself was found.
    throw locate(new SluiceError('invalid', error.message), index, 'path')
  }
}

/** A batch is one moment. To wait for a drain, use the single call, again if need be. */
function refuseWait(body: unknown, index: number): void {
  try {
    if (drainBody(body).waitMs > 0) {
      throw new SluiceError('invalid', 'waitMs: a batch does not wait', { field: 'waitMs' })
    }
  } catch (error) {
    throw error instanceof SluiceError ? locate(error, index) : error
  }
}

/** Field `port` of operation 3 → `operations[3].body.port`. */
function locate(error: SluiceError, index: number, part?: string): SluiceError {
  const at = `operations[${index}]`
  const inside = part ?? (error.field === undefined ? undefined : `body.${error.field}`)
  return new SluiceError(error.code, `${at}: ${error.message}`, {
    field: inside === undefined ? at : `${at}.${inside}`,
    retryable: error.retryable,
    cause: error,
  })
}

/** Field `upstream` of operation 3 → `operations[3].body.upstream`. */
function located({ call, code, field, message }: LocatedWarning): Warning {
  const at = `operations[${call}].body`
  return { code, field: field === '' ? at : `${at}.${field}`, message }
}

function shownWarnings(warnings: LocatedWarning[]): { warnings?: Warning[] } {
  return warnings.length === 0 ? {} : { warnings: warnings.map(located) }
}

function shownDifference(difference: Difference): object {
  const { call, op, kind, upstream, id, before, after } = difference
  const names = { ...(upstream !== undefined && { upstream }), ...(id !== undefined && { id }) }
  return { operation: call, op, kind, ...names, before, after }
}

/** Makes an RFC 9457 problem document of whatever was thrown. Every error of the API is one. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CODES } from '../../../contract/codes.js'
import type { Code } from '../../../contract/codes.js'
import { SluiceError, messageOf } from '../../../runtime/errors.js'
import type { Logger } from '../../../runtime/logger.js'

/** `application/problem+json`; `field` is a path such as `weight` or `operations[3].body.port`. */
interface Problem {
  type: string
  title: string
  status: number
  detail: string
  code: Code
  field?: string
  instance?: string
  requestId?: string
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/**
 * What fastify refuses by itself, in our codes. Everything else it answers with a 4xx is `invalid`.
 */
const FASTIFY: Record<string, { code: Code; message: string }> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'unsupported_media_type',
    message: 'send the body with Content-Type: application/json',
  },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'too_large', message: 'the body is above the limit' },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    code: 'invalid',
    message: 'the body is not valid JSON, or has a field __proto__ or constructor',
  },
  FST_ERR_BAD_URL: { code: 'invalid', message: 'the path is not a valid URL' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'invalid', message: 'a name in the path is too long' },
}

const UNEXPECTED = 'an unexpected error; the log has it under this request id'

/** The error as one of ours; `internal` without the message of whatever else was thrown. */
function toSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) {
    return error
  }
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown }
  const known = typeof code === 'string' ? FASTIFY[code] : undefined
  if (known !== undefined) {
    return new SluiceError(known.code, known.message, { cause: error })
  }
  // A JSON body that does not parse, or names __proto__, comes as a SyntaxError with a status.
  const callersFault = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  return callersFault
    ? new SluiceError('invalid', messageOf(error), { cause: error })
    : new SluiceError('internal', UNEXPECTED, { cause: error })
}

export function problemOf(error: SluiceError, instance?: string, requestId?: string): Problem {
  return {
    type: `urn:sluice:problem:${error.code}`,
    title: CODES[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    ...(error.field !== undefined && { field: error.field }),
    ...(instance !== undefined && { instance }),
    ...(requestId !== undefined && { requestId }),
  }
}

/**
 * Answers with the problem. What was not foreseen goes to the log, whole, and not to the caller.
 */
export async function sendProblem(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): Promise<void> {
  const error = toSluiceError(thrown)
  if (error.code === 'internal') {
    const facts = { requestId: request.id, method: request.method, route: request.routeOptions.url }
    log.error({ ...facts, error: thrown }, 'request failed unexpectedly')
  }
  if (error.status === 503 || error.code === 'too_many') {
    reply.header('retry-after', '1')
  }
  if (error.code === 'unauthorized') {
    reply.header('www-authenticate', 'Bearer realm="sluice"')
  }
  // The query is left out: it is not needed to find the call, and callers put secrets there.
  const path = request.url.split('?')[0]
  await reply
    .code(error.status)
    .header('content-type', PROBLEM_TYPE)
    .send(problemOf(error, path, request.id))
}

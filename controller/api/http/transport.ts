/** What is true of every call: who may make it, what a body may be, how an error looks. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify'
import { Compile } from 'typebox/compile'
import type { TSchema } from 'typebox'
import { SluiceError } from '../../../runtime/errors.js'
import type { Logger } from '../../../runtime/logger.js'
import type { Auth } from './auth.js'
import { complaintOf } from './complaint.js'
import { sendProblem } from './errors.js'
import { Strangers } from './strangers.js'

/** The methods of each path. */
type Patterns = Map<string, Set<string>>

const HOST = { field: 'host' }

/** Sets up an instance before any route is added. Returns the paths, filled as routes come. */
export function prepare(app: FastifyInstance, log: Logger, auth: Auth): Patterns {
  const patterns: Patterns = new Map()
  const strangers = new Strangers()
  strangers.watch(app.server)
  app.decorateRequest('caller', 'public')
  app.setGenReqId(() => randomUUID())
  app.addHook('onRoute', (route) => {
    const methods = patterns.get(route.url) ?? new Set()
    ;[route.method].flat().forEach((method) => methods.add(method))
    patterns.set(route.url, methods)
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store')
    reply.header('x-content-type-options', 'nosniff')
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw new SluiceError('invalid', 'a request of HTTP/1.1 needs a Host header', HOST)
    }
    request.caller = auth.admit(request, request.routeOptions.config.open === true)
    strangers.heard(request.raw.socket, request.caller)
  })
  acceptJsonOnly(app)
  app.setValidatorCompiler(({ schema, httpPart }) => validator(schema as TSchema, httpPart))
  // A test compares answers with their schemas. To filter them here would only hide a mistake.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, log))
  app.setNotFoundHandler((request, reply) => sendProblem(noSuchCall(request), request, reply, log))
  return patterns
}

/** Answers 405 where a path has other methods only. Call it when all routes are there. */
export function refuseOtherMethods(app: FastifyInstance, patterns: Patterns): void {
  for (const [url, allowed] of [...patterns]) {
    const allow = [...allowed].sort().join(', ')
    app.route({
      method: app.supportedMethods.filter((method) => !allowed.has(method)),
      url,
      schema: { hide: true },
      handler: (request, reply) => {
        void reply.header('allow', allow)
        const what = `${request.method} does not fit ${pathOf(request)}`
        throw new SluiceError('method_not_allowed', what)
      },
    })
  }
}

/** No body at all is undefined, whatever its content type says. */
function acceptJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, body, done) => {
      if (body === '') {
        done(null, undefined)
        return
      }
      const refuseDeep: typeof done = (error, value) => {
        const isDeep = error === null && !isShallow(value)
        const what = `the body is nested deeper than ${MOST_DEPTH}`
        done(isDeep ? new SluiceError('invalid', what) : error, value)
      }
      void parse(request, body as string, refuseDeep)
    },
  )
}

/** No record is nested a third of this; what walks a value may do so by recursion. */
const MOST_DEPTH = 32

function isShallow(value: unknown): boolean {
  let level = [value]
  for (let depth = 0; depth <= MOST_DEPTH; depth++) {
    level = level.flatMap((each): unknown[] =>
      typeof each === 'object' && each !== null ? Object.values(each) : [],
    )
    if (level.length === 0) {
      return true
    }
  }
  return false
}

/**
 * Only queries. Names in paths and bodies pass the guards of contract/, in single calls and in
 * batches alike.
 */
function validator(
  schema: TSchema,
  httpPart: string | undefined,
): (value: unknown) => { value: unknown } {
  if (httpPart !== 'querystring') {
    return (value) => ({ value })
  }
  const check = checkerOf(schema, 'query parameter')
  return (value) => {
    check(value)
    return { value }
  }
}

/** A function that throws `invalid`, naming the first field that does not fit the schema. */
export function checkerOf(schema: TSchema, kind: string): (value: unknown) => void {
  const compiled = Compile(schema)
  return (value) => {
    if (compiled.Check(value)) {
      return
    }
    // The first one of this kind only says that what follows it is too much.
    const [error] = compiled.Errors(value).filter(({ keyword }) => keyword !== 'boolean')
    const { field, what } =
      error === undefined
        ? { field: '', what: 'is not valid' }
        : complaintOf(error, schema, value, kind)
    const subject = field === '' ? 'the body' : field
    throw new SluiceError('invalid', `${subject} ${what}`, { ...(field !== '' && { field }) })
  }
}

function noSuchCall(request: FastifyRequest): SluiceError {
  return new SluiceError(
    'not_found',
    `no call has the path ${pathOf(request)}; GET /openapi.json lists all of them`,
  )
}

function pathOf({ url }: FastifyRequest): string {
  return (url.split('?')[0] as string).slice(0, 300)
}

/** What a call is to the OpenAPI document; no query parameters unless it names some. */
export type Described = FastifySchema & {
  operationId: string
  tags: string[]
  summary: string
  description?: string
}

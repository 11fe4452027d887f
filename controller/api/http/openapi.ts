/** The OpenAPI document, made of the routes' own schemas. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { ProblemBody } from '../schemas/common.js'
import { NoQuery } from '../schemas/parameters.js'
import { NAME_KEYWORD } from '../schemas/shape.js'

const problem = {
  description: 'A problem document (RFC 9457); `code` is stable, `field` names what was wrong',
  content: { 'application/problem+json': { schema: ProblemBody } },
}
const problems = { '4xx': problem, default: problem }

/** From loopback they need no token. */
const OPEN = [{}, { token: [] }]
const TOKEN = [{ token: [] }]
const TAGS = {
  upstreams: 'Sets of instances, and how one of them is picked',
  instances: 'Where an upstream is served: addresses, weights, drains',
  routes: 'Which hosts, paths, ports and names lead to which upstream',
  certificates: 'What TLS clients are shown, and instances',
  batch: 'Several changes, or none of them',
  gateways: 'The nginx that serve, and what each of them has applied',
  state: 'What is so now, why, and what changes',
}

/** Answers of a call that reads. */
export function readResponses(schema: TSchema, description = 'As it is'): object {
  return { 200: { description, ...json(schema) }, ...problems }
}

/** Answers of a read that has a tag. */
export function taggedResponses(schema: TSchema): object {
  const description = 'The caller has it: If-None-Match names its tag. No body'
  const unchanged = { type: 'null', description }
  return { ...readResponses(schema), 304: unchanged }
}

/** Answers of a call that changes; 201 where something new can come of it. */
export function changeResponses(schema: TSchema, creates = false): object {
  return {
    200: { description: 'Applied by every connected gateway', ...json(schema) },
    ...(creates && { 201: { description: 'New, and applied everywhere', ...json(schema) } }),
    202: {
      description: 'Written, but not applied by the gateways named in `pending`',
      ...json(schema),
    },
    ...problems,
  }
}

/** Answers of a stream of server-sent events, whose data are JSON of the schema. */
export function eventResponses(schema: TSchema, description: string): object {
  const data = { contentMediaType: 'application/json', contentSchema: schema }
  const content = { 'text/event-stream': { schema: { type: 'string', ...data } } }
  return { 200: { description, content }, ...problems }
}

/** Answers with a body that is not JSON. */
export function textResponses(mediaType: string, description: string): object {
  const content = { [mediaType]: { schema: { type: 'string' } } }
  return { 200: { description, content }, ...problems }
}

function json(schema: TSchema): object {
  return { content: { 'application/json': { schema } } }
}

/** Adds `GET /openapi.json`. It documents the routes that are added after it. */
export async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    // What agents speak among themselves is no part of the public API.
    hideUntagged: true,
    transform: ({ schema, url, route }) => ({
      schema: { ...schema, security: route.config?.open === true ? OPEN : TOKEN },
      url,
    }),
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sluice',
        version: '1',
        description:
          'Upstreams, instances, routes and certificates of a running nginx, changed without reload.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'The controller that served this document' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: TOKEN,
    },
  })
  const schema = {
    operationId: 'openapi',
    summary: 'This document',
    tags: ['state'],
    querystring: NoQuery,
    response: { 200: { description: 'OpenAPI 3.1', type: 'object' }, ...problems },
  }
  let document: object | undefined
  app.get('/openapi.json', { schema, config: { open: true } }, () => {
    document ??= withComponents(app.swagger())
    return document
  })
}

/** The document with each named schema once, as a component, and references to it elsewhere. */
function withComponents(document: ReturnType<FastifyInstance['swagger']>): object {
  const schemas: Record<string, unknown> = {}
  const refer = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      return value.map(refer)
    }
    if (typeof value !== 'object' || value === null) {
      return value
    }
    const { [NAME_KEYWORD]: name, ...schema } = value as Record<string, unknown>
    const entries = Object.entries(schema).map(([key, part]) => [key, refer(part)])
    const referred = Object.fromEntries(entries) as object
    if (typeof name !== 'string') {
      return referred
    }
    schemas[name] = referred
    return { $ref: `#/components/schemas/${name}` }
  }
  const { components, ...rest } = refer(document) as { components: object }
  return { ...rest, components: { ...components, schemas } }
}

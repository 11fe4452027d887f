/** The OpenAPI document, made of the routes' own schemas. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { NoQuery, ProblemBody } from '../schemas/common.js'

const problem = {
  description: 'A problem document (RFC 9457); `code` is stable, `field` names what was wrong',
  content: { 'application/problem+json': { schema: ProblemBody } },
}

/** Answers of a call that reads. */
export function readResponses(schema: TSchema, description = 'As it is'): object {
  return { 200: { description, ...json(schema) }, default: problem }
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
    default: problem,
  }
}

/** Answers with a body that is not JSON. */
export function textResponses(mediaType: string, description: string): object {
  const content = { [mediaType]: { schema: { type: 'string' } } }
  return { 200: { description, content }, default: problem }
}

function json(schema: TSchema): object {
  return { content: { 'application/json': { schema } } }
}

export async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    // What agents speak among themselves is no part of the public API.
    hideUntagged: true,
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sluice',
        version: '1',
        description:
          'Upstreams, instances, routes and certificates of a running nginx, changed without reload.',
      },
      tags: ['upstreams', 'instances', 'routes', 'certificates', 'batch', 'gateways', 'state'].map(
        (name) => ({
          name,
        }),
      ),
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  })
  const schema = {
    operationId: 'openapi',
    summary: 'This document',
    tags: ['state'],
    security: [],
    querystring: NoQuery,
    response: { 200: { description: 'OpenAPI 3.1', type: 'object' }, default: problem },
  }
  app.get('/openapi.json', { schema, config: { open: true } }, () => app.swagger())
}

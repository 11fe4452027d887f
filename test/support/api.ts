/**
 * A real API over real sockets, on a real embedded registry; every answer is held to the OpenAPI
 * document.
 */
import { Compile } from 'typebox/compile'
import { startApi } from '../../controller/api/server.js'
import type { Api } from '../../controller/api/server.js'
import { startControl } from './control.js'
import type { TestControl } from './control.js'
import { httpCall } from './http-call.js'
import type { Called, CallOptions, Json } from './http-call.js'
import { temporaryFolder } from '../../lab/temp.js'

export interface TestApi {
  api: Api
  home: string
  control: TestControl
  /** Calls with the token, and fails the test when the answer is not of the documented shape. */
  call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Called>
  /** Calls as given, without adding anything. */
  raw: (path: string, options?: CallOptions) => Promise<Called>
}

export const noMetrics = {
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  metrics: async () => 'sluice_up 1\n',
}

interface Test {
  teardown(fn: () => unknown): void
  fail(message: string, extra: object): unknown
}

export async function testApi(
  t: Test,
  options: Parameters<typeof startControl>[1] = {},
): Promise<TestApi> {
  const home = temporaryFolder(t, 'api')
  const control = await startControl(home, options)
  const api = await startApi(control, noMetrics)
  t.teardown(async () => {
    await api.close()
    await control.close()
  })
  const raw = (path: string, sent?: CallOptions) => httpCall(api.url + path, sent)
  const { body: document } = await raw('/openapi.json')
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => {
    const authorization = `Bearer ${api.token}`
    const called = await raw(path, { method, body, headers: { authorization, ...headers } })
    const wrong = misfit(document, method, path, called)
    if (wrong !== undefined) {
      t.fail(`${method} ${path} ${called.status}: ${wrong}`, { body: called.body })
    }
    return called
  }
  return { api, home, control, call, raw }
}

/** Why an answer is not what the document says, or undefined. */
function misfit(
  document: Json,
  method: string,
  path: string,
  { status, headers, body }: Called,
): string | undefined {
  const operation = operationOf(document, method, path)
  const answer = operation?.responses?.[status] ?? operation?.responses?.default
  const mediaType = String(headers['content-type']).split(';')[0] as string
  if (operation === undefined) {
    return [400, 404, 405, 401, 403].includes(status) ? undefined : 'the call is not documented'
  }
  if (answer !== undefined && answer.content === undefined) {
    return body ? 'a body is not documented for it' : undefined
  }
  const schema = answer?.content?.[mediaType]?.schema
  if (schema === undefined) {
    return `${mediaType} is not documented for it`
  }
  if (status >= 400 && operation.responses[status] !== undefined) {
    return 'an error is documented as a success'
  }
  // typebox finds what a schema refers to in its own $defs.
  const $defs = document.components.schemas
  const whole = JSON.parse(
    JSON.stringify({ ...schema, $defs }).replaceAll('#/components/schemas/', '#/$defs/'),
  )
  const compiled = Compile(whole)
  return compiled.Check(body) ? undefined : JSON.stringify(compiled.Errors(body).slice(0, 3))
}

function operationOf(document: Json, method: string, path: string): Json {
  const parts = (path.split('?')[0] as string).split('/')
  const fits = (pattern: string) => {
    const wanted = pattern.split('/')
    return (
      wanted.length === parts.length &&
      wanted.every((part, i) => part.startsWith('{') || part === parts[i])
    )
  }
  const found = Object.keys(document.paths).find(fits)
  return found === undefined ? undefined : document.paths[found][method.toLowerCase()]
}

/** `{code, field, status}` of a problem document. */
export function problem({ body, headers, status }: Called): object {
  const { code, field, type, title, detail, requestId } = body
  const whole =
    String(headers['content-type']).startsWith('application/problem+json') &&
    type === `urn:sluice:problem:${code}` &&
    body.status === status &&
    [title, detail, requestId].every((text) => typeof text === 'string' && text !== '')
  return { status, code, ...(field !== undefined && { field }), ...(!whole && { broken: body }) }
}

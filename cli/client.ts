/** The command line's client of a controller's REST API. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import { CODES } from '../contract/codes.js'
import type { Code } from '../contract/codes.js'
import { printAddress } from '../contract/guard/address.js'
import type { Settings } from '../runtime/config/settings.js'
import { SluiceError, messageOf } from '../runtime/errors.js'
import { UsageError } from './usage-error.js'

const CONNECT_MS = 3000
/** A change answers within 5 s; beyond that, something hangs. */
const ANSWER_MS = 15_000

interface ApiCall {
  method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE'
  /** With its query: `/v1/explain?host=web.localhost`. */
  path: string
  body?: unknown
  /** How long the answer may take beyond the usual. */
  extraMs?: number
}

/** A controller's REST API, over its unix socket or by URL. */
export interface ApiClient {
  /**
   * The answer's JSON. Rejects with the problem's own code; the error is `retryable` when nobody
   * answered.
   */
  call(call: ApiCall): Promise<unknown>
  close(): Promise<void>
}

export interface ClientTarget {
  home: string
  /** `http://host:8081`; undefined: the socket, or else `ownUrl`. */
  url: string | undefined
  /** Where the controller of this machine listens. */
  ownUrl: string
  token: string | undefined
}

/** `('upstreams', 'web')` → `/v1/upstreams/web`: each part is escaped by itself. */
export function pathOf(...parts: string[]): string {
  return '/v1/' + parts.map(encodeURIComponent).join('/')
}

/** Over a unix socket, which need not be there yet. */
export function connectLocal(socketPath: string): ApiClient {
  const dispatcher = new Agent({ connect: { timeout: CONNECT_MS, socketPath } })
  return clientOf({ base: 'http://localhost', where: socketPath, dispatcher })
}

/** Where a controller with these settings answers over TCP, from its own machine. */
export function ownApiUrl({ apiBind, apiPort, apiTls }: Settings): string {
  const wild: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  const address = wild[apiBind] ?? apiBind
  return `${apiTls === undefined ? 'http' : 'https'}://${printAddress(address, apiPort)}`
}

function baseOf(url: string): string {
  if (!/^https?:/.test(url) || !URL.canParse(url)) {
    const expected = 'expected an address such as http://10.0.0.7:8081'
    throw new UsageError(`--api (or SLUICE_API): ${JSON.stringify(url)} is not right; ${expected}`)
  }
  return url.replace(/\/$/, '')
}

/** Over the home's socket if there is one and no other address is given, else over TCP. */
export function connect({ home, url, ownUrl, token }: ClientTarget): ApiClient {
  const socketPath = join(home, 'api.sock')
  if (url === undefined && existsSync(socketPath)) {
    return connectLocal(socketPath)
  }
  const base = baseOf(url ?? ownUrl)
  const dispatcher = new Agent({ connect: { timeout: CONNECT_MS } })
  return clientOf({ base, where: base, dispatcher, token })
}

function clientOf(endpoint: Endpoint): ApiClient {
  return { call: (call) => send(call, endpoint), close: () => endpoint.dispatcher.close() }
}

interface Endpoint {
  base: string
  where: string
  dispatcher: Dispatcher
  token?: string | undefined
}

async function send(call: ApiCall, endpoint: Endpoint): Promise<unknown> {
  const timeout = ANSWER_MS + (call.extraMs ?? 0)
  let answer: Dispatcher.ResponseData
  let text: string
  try {
    answer = await request(endpoint.base + call.path, {
      method: call.method,
      dispatcher: endpoint.dispatcher,
      headersTimeout: timeout,
      bodyTimeout: timeout,
      headers: {
        accept: 'application/json',
        ...(call.body !== undefined && { 'content-type': 'application/json' }),
        ...(endpoint.token !== undefined && { authorization: 'Bearer ' + endpoint.token }),
      },
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    })
    text = await answer.body.text()
  } catch (error) {
    throw unreachable(endpoint.where, error)
  }
  return readAnswer(answer.statusCode, text, endpoint.where)
}

function unreachable(where: string, error: unknown): SluiceError {
  const words = messageOf(error)
  const reason = /wrong version number/.test(words) ? 'it does not speak TLS' : words
  const message =
    `no controller answers at ${where} (${reason}). Is it running ("sluice start")? ` +
    'If it has another home, name that with --home. If it is on another machine, use --api'
  return new SluiceError('gateway_unavailable', message, { cause: error, retryable: true })
}

/** What the API says of these is for who speaks HTTP to it, or is no word of the API's at all. */
const ADVICE: Partial<Record<Code, string>> = {
  unauthorized:
    'needs a valid token: name its file with --token-file. On the same machine, use --home: its socket needs none',
  no_route: 'is a gateway, not the API; the API has a port of its own (8081 by default)',
}

function readAnswer(status: number, text: string, where: string): unknown {
  let value: unknown
  try {
    value = text === '' ? {} : JSON.parse(text)
  } catch (error) {
    throw new SluiceError(
      'internal',
      `${where} answered ${status} without JSON, so it is not the API of Sluice (port 8081 by default)`,
      {
        cause: error,
      },
    )
  }
  if (status < 400) {
    return value
  }
  const { code, title, detail, field } = value as Record<string, unknown>
  const known = typeof code === 'string' && Object.hasOwn(CODES, code) ? (code as Code) : 'internal'
  const advice = ADVICE[known]
  if (advice !== undefined) {
    throw new SluiceError(known, `${where} ${advice}`)
  }
  const words = [detail, title].find((each) => typeof each === 'string' && each !== '')
  const message = typeof words === 'string' ? words : `${where} answered ${status}`
  throw new SluiceError(known, message, typeof field === 'string' ? { field } : {})
}

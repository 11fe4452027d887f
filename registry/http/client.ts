/** Calls of a controller's REST API, for an agent on another machine. */
import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import { CODES } from '../../contract/codes.js'
import type { Code } from '../../contract/codes.js'
import type { Secret } from '../../runtime/config/secret.js'
import { messageOf, SluiceError } from '../../runtime/errors.js'

export interface HttpClientOptions {
  /** `http://host:port`, `https://…`, or `unix:/path/to/api.sock`. */
  url: string
  token: string | Secret | undefined
  agent?: string | undefined
  /** By which the controller knows this agent again. */
  secrets?: readonly string[] | undefined
}

interface Call {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body?: unknown
}

export interface EventStream {
  body: AsyncIterable<Buffer>
}

const CALL_MS = 5000
const CONNECT_MS = 2000
/** The controller sends a heartbeat every 5 s. */
const SILENCE_MS = 12_000

export class HttpClient {
  readonly url: string
  readonly #origin: string
  readonly #agent: Agent
  readonly #options: HttpClientOptions

  constructor(options: HttpClientOptions) {
    const { url } = options
    this.#options = options
    const socketPath = url.startsWith('unix:') ? url.slice('unix:'.length) : undefined
    this.url = url.replace(/\/$/, '')
    this.#origin = socketPath === undefined ? originOf(url) : 'http://localhost'
    const connect = { timeout: CONNECT_MS, ...(socketPath !== undefined && { socketPath }) }
    this.#agent = new Agent({ connect, headersTimeout: CALL_MS, bodyTimeout: SILENCE_MS })
  }

  /** The answer's JSON. Rejects with the controller's code, or with `registry_unavailable`. */
  async call(call: Call): Promise<unknown> {
    const answer = await this.#send(call, {}, AbortSignal.timeout(CALL_MS))
    let text: string
    try {
      text = await answer.body.text()
    } catch (error) {
      throw this.#unavailable(error)
    }
    if (answer.statusCode === 204) {
      return undefined
    }
    return this.#parse(answer.statusCode, text)
  }

  /**
   * Follows a stream of events. The body ends with an error when the server is silent for too long.
   */
  async stream(path: string, lastEventId: string, signal: AbortSignal): Promise<EventStream> {
    const headers = {
      accept: 'text/event-stream',
      ...(lastEventId !== '' && { 'last-event-id': lastEventId }),
    }
    const answer = await this.#send({ method: 'GET', path }, headers, signal)
    const type = String(answer.headers['content-type'])
    if (answer.statusCode === 200 && type.startsWith('text/event-stream')) {
      return answer
    }
    const text = await answer.body.text()
    this.#parse(answer.statusCode, text)
    throw this.#foreign()
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  #ownHeaders(): Record<string, string> {
    const { token, agent, secrets = [] } = this.#options
    return {
      ...(token !== undefined && {
        authorization: `Bearer ${typeof token === 'string' ? token : token.now()}`,
      }),
      ...(agent !== undefined && { 'x-sluice-agent': agent }),
      ...(secrets.length > 0 && { 'x-sluice-agent-secret': secrets.join(',') }),
    }
  }

  async #send(
    { method, path, body }: Call,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await request(this.#origin + path, {
        method,
        dispatcher: this.#agent,
        signal,
        headers: {
          ...this.#ownHeaders(),
          ...headers,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  #parse(status: number, text: string): unknown {
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw this.#foreign()
    }
    if (status < 300) {
      return answer
    }
    const { code, detail, field } = answer as { code?: string; detail?: string; field?: string }
    if (code === undefined || !(code in CODES)) {
      throw this.#foreign()
    }
    const details = { retryable: status >= 500, ...(field !== undefined && { field }) }
    throw new SluiceError(code as Code, detail ?? CODES[code as Code].title, details)
  }

  #foreign(): SluiceError {
    const message = `what answers at ${this.url} is no Sluice controller`
    return new SluiceError('registry_unavailable', message, { retryable: true })
  }

  #unavailable(cause: unknown): SluiceError {
    const message = `the controller at ${this.url} does not answer: ${messageOf(cause)}`
    return new SluiceError('registry_unavailable', message, { cause, retryable: true })
  }
}

function originOf(url: string): string {
  try {
    return new URL(url).origin
  } catch (cause) {
    throw new SluiceError('invalid', `${url} is no URL`, { field: 'registry', cause })
  }
}

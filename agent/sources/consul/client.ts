/** Consul's HTTP API, as far as it is followed: reads of catalog and health that may block. */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import type { ConsulSettings } from '../../../runtime/config/settings.js'
import { Secret } from '../../../runtime/config/secret.js'

type ConsulAccess = Pick<ConsulSettings, 'url' | 'token' | 'tokenFile' | 'datacenter' | 'ca'>

export interface ConsulAnswer {
  body: unknown
  /** What to give back to be answered only once something changed. */
  index: number
}

export interface ConsulQuery {
  path: string
  /** 0: answer at once. */
  index: number
  /** Milliseconds for which Consul may wait for a change. */
  waitMs: number
  signal: AbortSignal
  parameters?: Record<string, string>
}

const CONNECT_MS = 3000
/** What an answer may take beyond its wait, to which Consul itself adds a sixteenth. */
const ANSWER_MS = 5000
const MOST_REASON = 200

/** Consul said no to this one query, which says nothing of others. */
export class ConsulRefusal extends Error {}

export class ConsulClient {
  readonly #access: ConsulAccess
  readonly #token: Secret | undefined
  #dispatcher: Agent | undefined

  constructor(access: ConsulAccess) {
    const { token, tokenFile } = access
    this.#access = access
    this.#token = token === undefined ? undefined : new Secret(token, tokenFile)
  }

  /** Rejects when Consul does not answer, has no leader, or refuses (a {@link ConsulRefusal}). */
  async ask({ path, index, waitMs, signal, parameters = {} }: ConsulQuery): Promise<ConsulAnswer> {
    const { url, datacenter } = this.#access
    const dispatcher = (this.#dispatcher ??= this.#connect())
    const limitMs = ANSWER_MS + waitMs * 1.1
    const search = new URLSearchParams({
      stale: '',
      ...parameters,
      ...(datacenter !== undefined && { dc: datacenter }),
      ...(index > 0 && { index: String(index), wait: `${waitMs}ms` }),
    })
    const answer = await request(`${url.replace(/\/$/, '')}/v1/${path}?${search.toString()}`, {
      ...{ dispatcher, signal, headersTimeout: limitMs, bodyTimeout: limitMs },
      headers: this.#token === undefined ? {} : { 'x-consul-token': this.#token.now() },
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) {
      const reason = `Consul answered ${answer.statusCode}: ${text.trim().slice(0, MOST_REASON)}`
      throw answer.statusCode === 403 ? new ConsulRefusal(reason) : new Error(reason)
    }
    // A server without a leader answers a stale read with what it happens to know.
    if (answer.headers['x-consul-knownleader'] === 'false') {
      throw new Error('Consul has no leader')
    }
    return { body: parse(text), index: indexIn(answer.headers['x-consul-index']) }
  }

  async close(): Promise<void> {
    await this.#dispatcher?.destroy()
    this.#dispatcher = undefined
  }

  #connect(): Agent {
    const { ca } = this.#access
    const authorities = ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }
    return new Agent({ connect: { timeout: CONNECT_MS, ...authorities } })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new Error('what answers is not Consul: its answer is no JSON', { cause })
  }
}

function indexIn(header: string | string[] | undefined): number {
  const index = Number(header)
  return Number.isSafeInteger(index) ? index : 0
}

/** What to ask with next, after `answered`: from the start where it went back, and never 0. */
export function nextIndex(asked: number, answered: number): number {
  return answered < asked ? 0 : Math.max(1, answered)
}

/** The admin endpoint of one nginx, over its unix socket (contract/push.ts). */
import { Pool, errors } from 'undici'
import { CODES } from '../../contract/codes.js'
import type { Code } from '../../contract/codes.js'
import type {
  ActiveReply,
  AnswersReply,
  Claim,
  Delta,
  EventsReply,
  GatewayState,
  ReadReply,
  Rejection,
  SweepReply,
} from '../../contract/push.js'
import type { TableState } from '../../contract/table/table.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'

const CONNECTIONS = 4
const PROBE_POOLS = 4
const STATE_TIMEOUT_MS = 1000
const WRITE_TIMEOUT_MS = 10_000
const TOUCH_TIMEOUT_MS = 2000

/** The endpoint refused a call and said why. */
export class Rejected extends SluiceError {
  readonly rejection: Rejection

  constructor(rejection: Rejection) {
    super(rejection.code, rejection.message, {
      ...(rejection.field !== undefined && { field: rejection.field }),
    })
    this.rejection = rejection
  }
}

function asRejection(status: number, text: string): Rejection {
  try {
    const body = JSON.parse(text) as Partial<Rejection>
    if (typeof body.code === 'string' && body.code in CODES && typeof body.message === 'string') {
      return body as Rejection
    }
  } catch {
    // Not ours: nginx itself answered.
  }
  const code: Code = status === 413 ? 'too_large' : 'gateway_unavailable'
  return { code, message: `the admin endpoint answered ${status}` }
}

/**
 * Every call rejects with `gateway_unavailable` when nginx cannot be reached in time, or with
 * {@link Rejected}.
 */
export class GatewayClient {
  #pool: Pool
  /**
   * A probe counts itself for as long as it lasts, which is a little longer than until its answer
   * is here. So all probes of a SID go over one connection, on which nginx ends each before it
   * takes the next.
   */
  #probePools: Pool[]
  readonly #socket: string
  readonly #touchMs: number
  readonly #master: () => number | undefined

  /**
   * `touchMs`: how long a write may take before it hangs. `master`: the pid of the nginx that has
   * to answer, where that is known.
   */
  constructor(
    socketPath: string,
    { touchMs = TOUCH_TIMEOUT_MS, master = (): number | undefined => undefined } = {},
  ) {
    this.#socket = socketPath
    this.#touchMs = touchMs
    this.#master = master
    this.#pool = this.#open(CONNECTIONS)
    this.#probePools = this.#openProbePools()
  }

  /** A worker of an nginx before, which only finishes what it has, is none that was reached. */
  async state(): Promise<GatewayState> {
    const state = await this.#json<GatewayState>('GET', '/state', undefined, STATE_TIMEOUT_MS)
    const master = this.#master()
    if (master !== undefined && state.pid !== master) {
      this.#reconnect()
      throw unavailable('/state', `process ${state.pid} answered, and ${master} serves`)
    }
    return state
  }

  claim(claim: Claim): Promise<GatewayState> {
    return this.#json('POST', '/claim', claim, WRITE_TIMEOUT_MS)
  }

  /** `grows`: it adds to the table, and leaves the room that is kept for what does not. */
  delta(delta: Delta, grows = false): Promise<TableState> {
    return this.#json('POST', grows ? '/delta?grows=1' : '/delta', delta, WRITE_TIMEOUT_MS)
  }

  async read(keys: string[]): Promise<Array<string | null>> {
    const reply = await this.#json<ReadReply>('POST', '/read', { keys }, WRITE_TIMEOUT_MS)
    return reply.values
  }

  async active(sids: string[], pids: number[]): Promise<number[]> {
    const reply = await this.#json<ActiveReply>('POST', '/active', { sids, pids }, STATE_TIMEOUT_MS)
    return reply.active
  }

  /** Whether the worker `pid` has at least `limit` requests in flight to `sid`. */
  async probe(limit: number, sid: string, pid: number): Promise<boolean> {
    const path = `/probe/${limit}?sid=${sid}&pid=${pid}`
    const pool = this.#probePools[parseInt(sid.slice(0, 4), 16) % PROBE_POOLS] ?? this.#pool
    return (await this.#text('GET', path, undefined, STATE_TIMEOUT_MS, pool)).trim() === '1'
  }

  counters(): Promise<Record<string, number>> {
    return this.#json('GET', '/counters', undefined, STATE_TIMEOUT_MS)
  }

  /** What failed since event number `from`. */
  events(from: number): Promise<EventsReply> {
    return this.#json('GET', `/events?from=${from}`, undefined, STATE_TIMEOUT_MS)
  }

  /** At most MOST_OPERATIONS `sids`. */
  answers(sids: string[]): Promise<AnswersReply> {
    return this.#json('POST', '/answers', { sids }, STATE_TIMEOUT_MS)
  }

  /** Peers that are gone: nothing is counted of them any more. */
  async forget(sids: string[]): Promise<void> {
    await this.#json('POST', '/forget', { sids }, WRITE_TIMEOUT_MS)
  }

  /** Takes back what workers that are none of `pids` hold of the load; how many counts it was. */
  async sweep(pids: number[]): Promise<number> {
    const reply = await this.#json<SweepReply>('POST', '/sweep', { pids }, WRITE_TIMEOUT_MS)
    return reply.swept
  }

  /**
   * Writes one key: hangs when the dict's lock does. On a connection of its own, so that any worker
   * may take it. The owner gives its epoch: it is the sign that it lives.
   */
  async touch(epoch?: number): Promise<void> {
    await this.#once('POST', epoch === undefined ? '/touch' : `/touch?epoch=${epoch}`)
  }

  /** Touches no dict. */
  async alive(): Promise<void> {
    await this.#once('GET', '/alive')
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool, ...this.#probePools].map((pool) => pool.destroy()))
  }

  #reconnect(): void {
    for (const pool of [this.#pool, ...this.#probePools]) {
      pool.close().catch(() => pool.destroy())
    }
    this.#pool = this.#open(CONNECTIONS)
    this.#probePools = this.#openProbePools()
  }

  #openProbePools(): Pool[] {
    return Array.from({ length: PROBE_POOLS }, () => this.#open(1))
  }

  #open(connections: number): Pool {
    return new Pool('http://sluice-admin', {
      connections,
      connect: { socketPath: this.#socket, timeout: STATE_TIMEOUT_MS },
      keepAliveTimeout: 30_000,
      pipelining: 1,
    })
  }

  async #once(method: 'GET' | 'POST', path: string): Promise<void> {
    const pool = this.#open(1)
    try {
      await this.#text(method, path, method === 'POST' ? {} : undefined, this.#touchMs, pool)
    } finally {
      await pool.destroy()
    }
  }

  async #json<T>(method: 'GET' | 'POST', path: string, body: unknown, ms: number): Promise<T> {
    const text = await this.#text(method, path, body, ms)
    try {
      return JSON.parse(text) as T
    } catch (error) {
      const message = `${path} of the admin endpoint answered no JSON`
      throw new SluiceError('gateway_unavailable', message, { cause: error, retryable: true })
    }
  }

  async #text(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    ms: number,
    pool = this.#pool,
  ): Promise<string> {
    let answer: { statusCode: number; text: string }
    try {
      const { statusCode, body: reply } = await pool.request({
        method,
        path,
        headersTimeout: ms,
        bodyTimeout: ms,
        ...(body !== undefined && {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        }),
      })
      answer = { statusCode, text: await reply.text() }
    } catch (error) {
      throw unavailable(path, error)
    }
    if (answer.statusCode !== 200) {
      throw new Rejected(asRejection(answer.statusCode, answer.text))
    }
    return answer.text
  }
}

/** Whether the gateway took the connection and then did not answer in time. */
export function isTimeout(error: unknown): boolean {
  const cause = error instanceof SluiceError ? error.cause : error
  return cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError
}

function unavailable(path: string, error: unknown): SluiceError {
  const message = `${path} of the admin endpoint: ${messageOf(error)}`
  return new SluiceError('gateway_unavailable', message, { cause: error, retryable: true })
}

/** The check by HTTP: status and body of one request. */
import { Client } from 'undici'
import type { Dispatcher } from 'undici'
import { printAddress } from '../../../contract/guard/address.js'
import { parseStatuses } from '../../../contract/record/check-request.js'
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import { attempt } from './attempt.js'
import type { Attempt, Check, CheckAddress } from './attempt.js'
import { open } from './connect.js'

/** As much of a body as is looked at; what comes after it is not waited for. */
const MOST_BODY_BYTES = 64 * 1024

/**
 * Passes when the instance answers with one of the statuses, and its body (to its end, or its first
 * 64 KB) is here in time and contains what the policy asks for. Each check has a connection of its
 * own; redirects are not followed.
 */
export const checkHttp: Check = (address, policy, signal) =>
  attempt(policy.timeoutMs, signal, (attempt) => {
    const secure = address.tls !== undefined
    const socket = open(address, 'http/1.1')
    const client = new Client(
      `${secure ? 'https' : 'http'}://${printAddress(address.host, address.port)}`,
      {
        // The attempt has the one limit.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: (_, callback) => {
          socket.once(secure ? 'secureConnect' : 'connect', () => callback(null, socket))
          socket.once('error', (error) => callback(error, null))
        },
      },
    )
    socket.on('error', attempt.failBy)
    client.dispatch(request(address, policy), new Reader(policy, attempt))
    return () => {
      client.destroy(null, () => undefined)
      socket.destroy()
    }
  })

function request(address: CheckAddress, policy: CheckPolicy): Dispatcher.DispatchOptions {
  return {
    method: policy.method ?? 'GET',
    path: policy.path ?? '/',
    headers: {
      host: policy.host ?? (address.tls?.name || printAddress(address.host, address.port)),
      ...(!hasAgent(policy) && { 'user-agent': 'sluice-check' }),
      ...policy.headers,
    },
    reset: true,
  }
}

function hasAgent({ headers = {} }: CheckPolicy): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent')
}

class Reader implements Dispatcher.DispatchHandler {
  readonly #policy: CheckPolicy
  readonly #attempt: Attempt
  readonly #chunks: Buffer[] = []
  #bytes = 0

  constructor(policy: CheckPolicy, attempt: Attempt) {
    this.#policy = policy
    this.#attempt = attempt
  }

  // undici takes a handler without it for one of an older kind.
  onRequestStart(): void {}

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    const isInterim = status < 200
    if (!isInterim && !accepts(this.#policy, status)) {
      this.#attempt.fail(`answered ${status}`)
    }
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#policy.body !== undefined) {
      this.#chunks.push(chunk)
    }
    this.#bytes += chunk.length
    if (this.#bytes >= MOST_BODY_BYTES) {
      this.#judge()
    }
  }

  onResponseEnd(): void {
    this.#judge()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#attempt.failBy(error)
  }

  #judge(): void {
    const { body } = this.#policy
    const text = Buffer.concat(this.#chunks).subarray(0, MOST_BODY_BYTES)
    if (body === undefined || text.includes(body)) {
      this.#attempt.pass()
    } else {
      this.#attempt.fail(`body lacks ${JSON.stringify(shortened(body))}`)
    }
  }
}

function shortened(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`
}

function accepts({ statuses = '200-399' }: CheckPolicy, status: number): boolean {
  const ranges = parseStatuses(statuses) ?? []
  return ranges.some(([from, to]) => status >= from && status <= to)
}

/** The registry as a controller on another machine serves it to an agent. */
import type { Logger } from '../../runtime/logger.js'
import { SluiceError } from '../../runtime/errors.js'
import { HttpClient } from './client.js'
import { HttpWatch } from './watch.js'
import { refuseDoubles } from '../operations.js'
import type {
  Lease,
  LeaseOptions,
  Listing,
  Lookup,
  Registry,
  RegistryOperation,
  Watch,
  WatchHandlers,
} from '../registry.js'
import type { Secret } from '../../runtime/config/secret.js'
import { RemoteLease } from '../remote-lease.js'

export interface HttpOptions {
  /** `http://host:port`, `https://…`, or `unix:/path/to/api.sock`. */
  url: string
  token: string | Secret | undefined
  /** Id of the agent that writes: a controller lets it write only what is its own. */
  agent?: string | undefined
  /** By which the controller knows this agent again. */
  secrets?: readonly string[] | undefined
  log: Logger
}

const BASE = '/v1/registry'
/** How often the controller is asked whether a lease is still there that nobody here renews. */
const ASK_EVERY_MS = 1000

/**
 * Throws `invalid` for a URL that is none. Whether a controller is there shows later: it may start
 * after us.
 */
export function openHttp(options: HttpOptions): Registry {
  const { url, token, log } = options
  if (token !== undefined && /^http:\/\/(?!127\.|localhost|\[::1\])/.test(url)) {
    log.warn({ url }, 'the token goes over the network in clear; use https:// or a tunnel')
  }
  return new HttpRegistry(options)
}

class HttpRegistry implements Registry {
  readonly #client: HttpClient
  readonly #log: Logger
  readonly #closing = new AbortController()
  readonly #watches = new Set<Watch>()

  constructor(options: HttpOptions) {
    this.#client = new HttpClient(options)
    this.#log = options.log
  }

  async get(key: string): Promise<Lookup> {
    const query = new URLSearchParams({ key })
    const { revision, entry } = await this.#call<Lookup>('GET', `/entry?${query.toString()}`)
    // JSON has no undefined: a key that is not there is absent from the answer.
    return { revision, entry }
  }

  async list(prefix: string): Promise<Listing> {
    const query = new URLSearchParams({ prefix })
    return this.#call<Listing>('GET', `/entries?${query.toString()}`)
  }

  async commit(operations: RegistryOperation[]): Promise<{ revision: number }> {
    refuseDoubles(operations)
    return this.#call<{ revision: number }>('POST', '/commit', { operations })
  }

  watch(prefixes: string[], handlers: WatchHandlers): Watch {
    const watch = new HttpWatch({ client: this.#client, prefixes, handlers, log: this.#log })
    this.#watches.add(watch)
    const close = async () => {
      this.#watches.delete(watch)
      await watch.close()
    }
    return { close }
  }

  writeProblem(): string | undefined {
    // The controller that is asked has the finding itself.
    return undefined
  }

  async grant({ ttlMs, keepAlive = true }: LeaseOptions): Promise<Lease> {
    const { id } = await this.#call<{ id: string }>('POST', '/leases', { ttlMs })
    return this.#hold(id, ttlMs, keepAlive)
  }

  async adopt(id: string, { ttlMs, keepAlive = true }: LeaseOptions): Promise<Lease> {
    const lease = this.#hold(id, ttlMs, keepAlive)
    try {
      await lease.renew()
    } catch (error) {
      await lease.release()
      throw error
    }
    return lease
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#watches].map((watch) => watch.close()))
    await this.#client.close()
  }

  #hold(id: string, ttlMs: number, keepAlive: boolean): RemoteLease {
    const path = `/leases/${encodeURIComponent(id)}`
    return new RemoteLease({
      id,
      ttlMs,
      keepAlive,
      closing: this.#closing.signal,
      renew: () => this.#call('POST', `${path}/renew`, { ttlMs }),
      remainingMs: async () => {
        await this.#call('POST', `${path}/ask`, { ttlMs })
        return ASK_EVERY_MS
      },
      revoke: () => this.#call('DELETE', path),
    })
  }

  async #call<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
    if (this.#closing.signal.aborted) {
      throw new SluiceError('registry_unavailable', 'the registry was closed')
    }
    return (await this.#client.call({ method, path: BASE + path, body })) as T
  }
}

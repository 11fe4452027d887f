/**
 * Who may call. The unix socket is guarded by its file mode. Over TCP a token is needed, and,
 * because a browser on the same machine can be made to call loopback, the Host and the origin must
 * be ours as well.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { Secret } from '../../../runtime/config/secret.js'
import { isLoopback, printHost } from '../../../contract/guard/address.js'
import { SluiceError } from '../../../runtime/errors.js'

/** How a caller was let in; what the audit log names. */
export type Caller = 'socket' | 'token' | 'public'

/**
 * Who may make a call: `read` sees, `operate` changes, `agent` registers its own machine's
 * instances, `admin` may all.
 */
export type Role = 'read' | 'operate' | 'agent' | 'admin'

export interface AuthOptions {
  token: Secret
  /** Address that the TCP listener binds. */
  bind: string
  /** Whether it speaks TLS. */
  isTls: boolean
  /** Whether a connection came over the unix socket. */
  isLocal(socket: Socket): boolean
}

/** Failed tries that one address may make within {@link WINDOW_MS}; above, it hears 429. */
const MOST_FAILURES = 20
const WINDOW_MS = 10_000
/** Addresses of which failures are remembered; beyond, all share one account. */
const MOST_ADDRESSES = 1_000

export class Auth {
  readonly #options: AuthOptions
  readonly #hosts: ReadonlySet<string>
  readonly #loopbackOnly: boolean
  #failures = new Map<string, number>()
  #windowEndsAtMs = 0

  constructor(options: AuthOptions) {
    this.#options = options
    this.#hosts = new Set([
      'localhost',
      '127.0.0.1',
      '[::1]',
      printHost(options.bind).toLowerCase(),
    ])
    this.#loopbackOnly = isLoopback(options.bind)
  }

  /**
   * Lets the request pass or throws `unauthorized`, `forbidden` or `too_many`.
   * `open` calls need no token from loopback.
   */
  admit(request: FastifyRequest, open: boolean): Caller {
    if (this.#options.isLocal(request.raw.socket)) {
      return 'socket'
    }
    const authorized = this.#isAuthorized(request.headers.authorization)
    this.#guardHost(request.headers.host, authorized)
    guardOrigin(request, this.#options.isTls ? 'https' : 'http')
    if (authorized) {
      return 'token'
    }
    const from = request.raw.socket.remoteAddress ?? ''
    if (open && request.headers.authorization === undefined && isLoopback(from)) {
      return 'public'
    }
    this.#countFailure(from)
    throw new SluiceError(
      'unauthorized',
      'send "Authorization: Bearer <token>"; the token is in the file api-token of the Sluice home',
    )
  }

  #isAuthorized(header: string | undefined): boolean {
    const match = /^Bearer +([^\s]+) *$/i.exec(header ?? '')
    const digest = digestOf(this.#options.token.now())
    // Digests have one length whatever was sent, so its time says nothing about the token.
    return match !== null && timingSafeEqual(digestOf(match[1] as string), digest)
  }

  /**
   * A page that rebinds its own name to this address still sends that name. Where others than this
   * machine are served, names are theirs to choose; then an address, which cannot be rebound, or
   * the token will do.
   */
  #guardHost(header: string | undefined, authorized: boolean): void {
    const name = hostName(header ?? '')
    const elsewhere = !this.#loopbackOnly && (authorized || isIP(unbracketed(name)) !== 0)
    if (!this.#hosts.has(name) && !elsewhere) {
      throw new SluiceError('forbidden', 'the Host header does not name this API', {
        field: 'host',
      })
    }
  }

  /** Only who fails is slowed down: a valid token passes however many others were wrong. */
  #countFailure(from: string): void {
    const now = Date.now()
    if (now >= this.#windowEndsAtMs) {
      this.#windowEndsAtMs = now + WINDOW_MS
      this.#failures = new Map()
    }
    const full = this.#failures.size >= MOST_ADDRESSES && !this.#failures.has(from)
    const account = full ? '' : from
    const count = (this.#failures.get(account) ?? 0) + 1
    this.#failures.set(account, count)
    if (count > MOST_FAILURES) {
      throw new SluiceError('too_many', 'too many calls without a valid token; try again later')
    }
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function hostName(header: string): string {
  return header.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}

/**
 * A page of another site may send requests here, though it cannot read the answers. So none of
 * them may change anything.
 */
function guardOrigin(request: FastifyRequest, scheme: 'http' | 'https'): void {
  if (request.method === 'GET' || request.method === 'HEAD') {
    return
  }
  const site = request.headers['sec-fetch-site']
  const { origin, host } = request.headers
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  const foreignOrigin = origin !== undefined && origin !== `${scheme}://${host ?? ''}`
  if (foreignSite || foreignOrigin) {
    throw new SluiceError('forbidden', 'a page of another site may not change anything here')
  }
}

/** One kept connection of a client that speaks HTTP by hand. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import type { TLSSocket } from 'node:tls'

/** With `servername`: over TLS, whatever certificate is shown. */
export type Target = { host: string; port: number; servername?: string } | { path: string }

export interface HttpMessage {
  status: number
  /** As received: status line and headers. */
  head: string
  body: string
}

interface Pending {
  resolve: (answer: HttpMessage) => void
  reject: (error: Error) => void
}

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * One keep-alive connection, one request at a time, nothing retried: a request that is written and
 * not answered whole is an error, also where a browser would try again.
 */
export class Connection {
  readonly #target: Target
  readonly #timeoutMs: number
  #socket: Socket | undefined
  #received = NOTHING
  #pending: Pending | undefined
  /** Connections opened. */
  opened = 0
  /**
   * Connections that the other side closed while no request was out, without having said so before.
   */
  closedIdle = 0
  /** SHA-256 of the certificate that was shown last, as the API writes it; '' without TLS. */
  shown = ''

  constructor(target: Target, timeoutMs = 20_000) {
    this.#target = target
    this.#timeoutMs = timeoutMs
  }

  /** `head` is all up to and including the empty line. Rejects on any transport error. */
  request(head: string, body?: Buffer): Promise<HttpMessage> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
      const socket = this.#socket ?? this.#open()
      socket.write(body === undefined ? head : Buffer.concat([Buffer.from(head), body]))
    })
  }

  /** Undefined while it is closed. */
  get localPort(): number | undefined {
    return this.#socket?.localPort
  }

  close(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }

  #open(): Socket {
    const socket = this.#connect()
    this.opened += 1
    this.#received = NOTHING
    this.#socket = socket
    socket.setTimeout(this.#timeoutMs, () => socket.destroy(new Error('no answer in time')))
    socket.on('data', (chunk) => this.#onData(socket, chunk))
    // An error is always followed by 'close', which has what it meant for the request.
    socket.on('error', (error) => this.#onClose(socket, error))
    socket.on('end', () => this.#onClose(socket, new Error('closed before the answer')))
    socket.on('close', () => this.#onClose(socket, new Error('closed before the answer')))
    return socket
  }

  #connect(): Socket {
    const target = this.#target
    if (!('servername' in target)) {
      return connect({ ...target, noDelay: true })
    }
    const socket: TLSSocket = connectSecurely({ ...target, rejectUnauthorized: false })
    return socket.on('secureConnect', () => {
      this.shown = socket.getPeerCertificate().fingerprint256
    })
  }

  #onData(socket: Socket, chunk: Buffer): void {
    if (socket !== this.#socket) {
      return
    }
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const answer = parseAnswer(this.#received)
    if (answer === undefined) {
      return
    }
    const pending = this.#pending
    this.#pending = undefined
    this.#received = NOTHING
    if (/^connection: close/im.test(answer.head)) {
      this.close()
    }
    pending?.resolve(answer)
  }

  #onClose(socket: Socket, error: Error): void {
    if (socket !== this.#socket) {
      return
    }
    this.close()
    const pending = this.#pending
    this.#pending = undefined
    if (pending === undefined) {
      this.closedIdle += 1
    } else {
      pending.reject(error)
    }
  }
}

function parseAnswer(received: Buffer): HttpMessage | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) {
    return undefined
  }
  const head = received.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const rest = received.subarray(end + 4)
  const length = /^content-length: *(\d+)/im.exec(head)?.[1]
  if (length !== undefined) {
    if (rest.length < Number(length)) {
      return undefined
    }
    return { status, head, body: rest.toString('utf8', 0, Number(length)) }
  }
  if (!/^transfer-encoding: *chunked/im.test(head)) {
    return { status, head, body: '' }
  }
  const body = parseChunks(rest)
  return body === undefined ? undefined : { status, head, body }
}

function parseChunks(rest: Buffer): string | undefined {
  const parts: string[] = []
  let at = 0
  for (;;) {
    const end = rest.indexOf('\r\n', at)
    if (end < 0) {
      return undefined
    }
    const size = parseInt(rest.toString('latin1', at, end), 16)
    if (rest.length < end + 2 + size + 2) {
      return undefined
    }
    if (size === 0) {
      return parts.join('')
    }
    parts.push(rest.toString('utf8', end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
}

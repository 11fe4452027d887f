/** Server-sent events to many clients: how many they may be, heartbeats, and who is too slow. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'

export interface EventStreamsOptions {
  /** So many clients at once, and the end of the sentence that says so: `watches are open`. */
  most: number
  what: string
  heartbeatMs: number
  headers: OutgoingHttpHeaders
  /** A client with more than this unsent is cut off. Absent: the writer waits for each client. */
  mostUnsentBytes?: number
  /** Whether a client that took nothing from one heartbeat to the next is cut off. */
  cutsStalled?: boolean
}

export class EventStreams {
  readonly #options: EventStreamsOptions
  #open = 0

  constructor(options: EventStreamsOptions) {
    this.#options = options
  }

  /** Answers with a stream of events. Throws `too_many`. `onSlow` is called before a cut. */
  open(reply: FastifyReply, onSlow: () => void = () => undefined): ClientStream {
    const { most, what, headers } = this.#options
    if (this.#open >= most) {
      throw new SluiceError('too_many', `${most} ${what} already`)
    }
    this.#open += 1
    reply.hijack()
    reply.raw.once('close', () => (this.#open -= 1))
    // A socket that breaks also closes. There is nobody left to write to.
    reply.raw.on('error', () => undefined)
    reply.raw.writeHead(200, { ...reply.getHeaders(), ...headers } as OutgoingHttpHeaders)
    return new ClientStream(reply.raw, this.#options, onSlow)
  }
}

export class ClientStream {
  readonly #raw: ServerResponse
  readonly #options: EventStreamsOptions
  readonly #onSlow: () => void
  /** Bytes that the socket had taken at the last heartbeat. */
  #taken = -1

  constructor(raw: ServerResponse, options: EventStreamsOptions, onSlow: () => void) {
    this.#raw = raw
    this.#options = options
    this.#onSlow = onSlow
    // After this process stood still, what clients took meanwhile is seen first.
    const timer = setInterval(() => setImmediate(() => this.#beat()), options.heartbeatMs)
    raw.once('close', () => clearInterval(timer))
  }

  /** Whether more would only pile up; see {@link onDrain}. */
  get isFull(): boolean {
    return this.#raw.writableNeedDrain
  }

  onDrain(listener: () => void): void {
    this.#raw.on('drain', listener)
  }

  onClose(listener: () => void): void {
    this.#raw.once('close', listener)
  }

  write(text: string): void {
    if (this.#raw.destroyed) {
      return
    }
    this.#raw.write(text)
    if (this.#raw.writableLength > (this.#options.mostUnsentBytes ?? Infinity)) {
      this.#cut()
    }
  }

  end(): void {
    this.#raw.end()
  }

  /** Shows the client that the stream lives. */
  #beat(): void {
    if (this.#raw.destroyed || this.#raw.writableEnded) {
      return
    }
    const taken = this.#raw.socket?.bytesWritten ?? 0
    if (!this.isFull) {
      this.write(': still here\n\n')
    } else if (this.#options.cutsStalled === true && taken === this.#taken) {
      this.#cut()
    }
    this.#taken = taken
  }

  #cut(): void {
    this.#onSlow()
    this.#raw.destroy()
  }
}

/** One event as text. `data` becomes JSON. */
export function printEvent(event: string, data: unknown, id?: string | number): string {
  const line = id === undefined ? '' : `id: ${id}\n`
  return `event: ${event}\n${line}data: ${JSON.stringify(data)}\n\n`
}

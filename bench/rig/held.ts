/** Requests and connections that are held open in great numbers. */
import { Child } from '../../lab/load/child.js'
import { until } from '../../lab/until.js'
import type { Bench } from '../report/report.js'

export type Kind = 'events' | 'sockets'

export interface Hold {
  port: number
  /** Of the Host header. */
  host: string
  /** Server-sent events, or a WebSocket. */
  kind: Kind
  count: number
}

export type HeldBackendQuestion =
  | { type: 'listen'; hosts: readonly string[]; port: number }
  | { type: 'send'; text: string }
  | { type: 'count' }

export type ClientQuestion = ({ type: 'open' } & Hold) | { type: 'count' } | { type: 'close' }

interface Counted {
  held: number
  heard: number
}

/** A text frame of a WebSocket, of a server, of less than 126 bytes. */
export function frameOf(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)])
}

export function headOf({ host, kind }: Hold): string {
  const upgrade =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2x1aWNlIGJlbmNoIGtleQ==\r\n'
  return `GET /events HTTP/1.1\r\nHost: ${host}\r\n${kind === 'sockets' ? upgrade : ''}\r\n`
}

/**
 * Requests whose answers do not end. Clients and backends are a process each: a socket at each end,
 * and the two of nginx, would be too many for the limit of one.
 */
export class Held {
  readonly #client: Child
  readonly #backend: Child

  private constructor(bench: Bench) {
    const child = (script: string): Child => new Child(new URL(script, import.meta.url).href, [])
    this.#client = child('held-client-process.ts')
    this.#backend = child('held-backend-process.ts')
    bench.onEnd(() => this.#client.kill())
    bench.onEnd(() => this.#backend.kill())
  }

  /** Backends at these addresses; what is not asked for `/events` is answered at once. */
  static async start(bench: Bench, hosts: readonly string[], port: number): Promise<Held> {
    const held = new Held(bench)
    await held.#askBackend({ type: 'listen', hosts, port })
    return held
  }

  /**
   * Resolves when all of them have had the first word of their answer. Rejects when one was refused
   * or cut.
   */
  async open(hold: Hold): Promise<void> {
    await this.#askClient({ type: 'open', ...hold })
  }

  /**
   * Has the backends say something, and waits until every client has heard it: all are open from
   * end to end.
   */
  async check(count: number): Promise<void> {
    const open = await this.#askBackend({ type: 'send', text: 'again' })
    if (open !== count) {
      throw new Error(`backends have ${open} of ${count} requests`)
    }
    const heard = async (): Promise<boolean> => {
      const { held, heard } = await this.#askClient({ type: 'count' })
      return held === count && heard === count
    }
    await until(heard, { deadlineMs: 30_000, what: 'a word to every client' })
  }

  async close(): Promise<void> {
    await this.#askClient({ type: 'close' })
    const gone = async (): Promise<boolean> => (await this.#askBackend({ type: 'count' })) === 0
    await until(gone, { deadlineMs: 30_000, what: 'the end of all requests' })
  }

  async #askBackend(question: HeldBackendQuestion): Promise<number> {
    return (await this.#backend.ask(question)) as number
  }

  async #askClient(question: ClientQuestion): Promise<Counted> {
    return (await this.#client.ask(question)) as Counted
  }
}

/**
 * The DNS responder on loopback from which nginx's pool learns its members. nginx asks once a
 * second (TTL 0).
 */
import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import packet from 'dns-packet'
import type { DecodedPacket, Question } from 'dns-packet'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { serveMessages } from '../../runtime/tcp-messages.js'
import type { KeptMember } from './kept-ways.js'
import type { Member } from './pool.js'
import { printRecords, withRecords } from './dns-answer.js'
import type { PoolRecord } from './dns-answer.js'
import { PoolParts } from './shards.js'

export interface PoolDnsOptions {
  /** Loopback port; 0 takes a free one. */
  port: number
  /** Of the pool; one by default. */
  shards?: number
  log: Logger
  /** The set of SIDs that nginx surely has changed. */
  onPooled(): void
  /** Whose names are asked for here, too. */
  others?: readonly DnsNames[]
}

/** Names beside the pool's that nginx asks here for. */
export interface DnsNames {
  /**
   * Undefined for a name of somebody else's. Records are never none; undefined where nginx is not
   * answered now, and asks again in some seconds.
   */
  answer(
    name: string,
    type: string,
    asker: DnsAsker | undefined,
  ): { records: readonly PoolRecord[] | undefined } | undefined
}

/** Who asked by a datagram. */
export interface DnsAsker {
  port: number
  /** Of the question. nginx sends one that is not answered again with the same. */
  id: number
  /** Answers the question later. */
  send(records: readonly PoolRecord[]): void
}

/**
 * What nginx reads of a datagram (NGX_RESOLVER_UDP_SIZE), and nobody but nginx asks here. More goes
 * over TCP.
 */
const UDP_BYTES = 4096
const MOST_TCP_BYTES = 65_535
const QUEUE_BYTES = 4 * 1024 * 1024
const TCP_IDLE_MS = 10_000
const MOST_QUESTION_BYTES = 512
/** nginx opens one for each worker and shard that asks over TCP. */
const MOST_CONNECTIONS = 64
const SERVFAIL = 2
const REFUSED = 5

export class PoolDns {
  readonly #options: PoolDnsOptions
  readonly #parts: PoolParts
  readonly #sockets = new Set<Socket>()
  #udp: UdpSocket | undefined
  #tcp: Server | undefined

  constructor(options: PoolDnsOptions) {
    this.#options = options
    this.#parts = new PoolParts(options.shards ?? 1)
  }

  /** SIDs that nginx surely has. The same object until it changes. */
  get pooled(): ReadonlySet<string> {
    return this.#parts.pooled
  }

  /** Rejects when the port is in use. */
  async listen(): Promise<number> {
    const tcp = createServer((socket) => this.#serve(socket))
    tcp.maxConnections = MOST_CONNECTIONS
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject).listen(this.#options.port, '127.0.0.1', resolve)
    })
    this.#tcp = tcp
    tcp.on('error', (error) => this.#options.log.warn({ error: error.message }, 'pool responder'))
    const bound = tcp.address()
    const port = bound !== null && typeof bound === 'object' ? bound.port : this.#options.port
    // nginx asks for all its names at once; the kernel caps this at what it allows.
    const udp = createSocket({ type: 'udp4', recvBufferSize: QUEUE_BYTES })
    this.#udp = udp
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject).bind(port, '127.0.0.1', resolve)
    })
    udp.on('error', (error) => this.#options.log.warn({ error: error.message }, 'pool responder'))
    udp.on('message', (message, from) => {
      const send = (reply: Buffer): void => {
        if (this.#udp === udp) {
          // Nothing to do when it cannot be sent: nginx keeps what it has and asks again.
          udp.send(reply, from.port, from.address, () => undefined)
        }
      }
      const reply = this.#answer(message, UDP_BYTES, { port: from.port, send })
      if (reply !== undefined) {
        send(reply)
      }
    })
    return port
  }

  /** Takes the peers that may be in the pool; those beyond its size are left out. */
  setMembers(candidates: Iterable<Member>): void {
    this.#watch(() => this.#parts.setMembers(candidates))
  }

  /** The same of the kept pool. `isLevel`: nginx's table has all that the compiled one has. */
  setKept(candidates: readonly KeptMember[], isLevel: boolean): void {
    this.#watch(() => this.#parts.setKept(candidates, { nowMs: performance.now(), isLevel }))
  }

  /** The same of the pool for gRPC. */
  setGrpc(candidates: Iterable<Member>): void {
    this.#watch(() => this.#parts.setGrpc(candidates))
  }

  /** SIDs that nginx's pool for gRPC surely has. The same object until it changes. */
  get grpc(): ReadonlySet<string> {
    return this.#parts.grpc
  }

  /** SIDs that nginx's kept pool surely has, and their ways. The same object until it changes. */
  get kept(): ReadonlyMap<string, string> {
    return this.#parts.kept
  }

  /** Whether to call `setKept` again although nothing has changed. */
  get isWaiting(): boolean {
    return this.#parts.isWaiting
  }

  /** Takes all members for pooled, until nginx's questions show better. */
  assume(): void {
    this.#parts.assume()
  }

  /** Whether a SID is only taken for pooled: nginx has not asked since. */
  isAssumed(sid: string): boolean {
    return this.#parts.isAssumed(sid)
  }

  /** nginx was started anew: it has none of them. */
  forget(): void {
    this.#watch(() => this.#parts.forget())
  }

  /** Somebody else may have answered nginx, and what it has then nobody knows. */
  doubt(): void {
    this.#watch(() => {
      this.#parts.forget()
      this.#parts.doubt()
    })
  }

  #watch(work: () => void): void {
    const { pooled, kept, grpc } = this.#parts
    work()
    const { pooled: pooledNow, kept: keptNow, grpc: grpcNow } = this.#parts
    if (pooled !== pooledNow || kept !== keptNow || grpc !== grpcNow) {
      this.#options.onPooled()
    }
  }

  async close(): Promise<void> {
    this.#sockets.forEach((socket) => socket.destroy())
    const { promise: tcpClosed, resolve } = deferred()
    if (this.#tcp === undefined || !this.#tcp.listening) {
      resolve()
    } else {
      this.#tcp.close(() => resolve())
    }
    await tcpClosed
    const udp = this.#udp
    this.#udp = undefined
    if (udp !== undefined) {
      await new Promise<void>((done) => closeUdp(udp, done))
    }
  }

  /** `from`: of a datagram, whose answer may come later. */
  #answer(
    message: Buffer,
    mostBytes: number,
    from?: { port: number; send(reply: Buffer): void },
  ): Buffer | undefined {
    let question: DecodedPacket
    try {
      question = packet.decode(message)
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'not a DNS question')
      return undefined
    }
    const first = question.questions?.[0]
    if (question.type !== 'query' || first === undefined) {
      return undefined
    }
    const id = question.id ?? 0
    const print = (records: readonly PoolRecord[], code: number): Buffer =>
      printAnswer({ id, first, records, code, mostBytes })
    const asker = from && {
      ...{ port: from.port, id },
      send: (records: readonly PoolRecord[]) => from.send(print(records, 0)),
    }
    const resolved = this.#resolve(first.name.toLowerCase(), first.type, asker)
    return resolved && print(resolved.records, resolved.code)
  }

  /**
   * Errors are SERVFAIL or REFUSED, upon which nginx keeps what it has; never "there is no such
   * name" and never an empty answer, upon which it would drop it. Undefined: nginx is to ask again
   * in some seconds.
   */
  #resolve(
    name: string,
    type: string,
    asker: DnsAsker | undefined,
  ): { records: readonly PoolRecord[]; code: number } | undefined {
    for (const names of this.#options.others ?? []) {
      const answered = names.answer(name, type, asker)
      if (answered !== undefined) {
        return answered.records && { records: answered.records, code: 0 }
      }
    }
    const asked = type === 'SRV' ? this.#parts.ofService(name) : undefined
    if (asked !== undefined) {
      this.#watch(() => void asked.serviceAsked())
      const records = asked.answers?.services ?? []
      return { records, code: records.length === 0 ? SERVFAIL : 0 }
    }
    const part = type === 'A' ? this.#parts.ofTarget(name) : undefined
    if (part === undefined) {
      return { records: [], code: REFUSED }
    }
    const records = part.targetAsked(name)?.map((address) => ({ address })) ?? []
    return { records, code: records.length === 0 ? SERVFAIL : 0 }
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    serveMessages(socket, {
      ...{ mostBytes: MOST_QUESTION_BYTES, idleMs: TCP_IDLE_MS },
      answer: (question) => this.#answer(question, MOST_TCP_BYTES),
    })
  }
}

interface PrintedAnswer {
  id: number
  first: Question
  records: readonly PoolRecord[]
  code: number
  mostBytes: number
}

/** What does not fit says so, upon which nginx asks over TCP. */
function printAnswer({ id, first, records, code, mostBytes }: PrintedAnswer): Buffer {
  const print = (flags: number): Buffer =>
    packet.encode({
      ...{ type: 'response', id, questions: [first] },
      flags: packet.AUTHORITATIVE_ANSWER | flags,
    })
  const head = print(code)
  return head.length + printRecords(records).length <= mostBytes
    ? withRecords(head, records)
    : print(code | packet.TRUNCATED_RESPONSE)
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function closeUdp(udp: UdpSocket, done: () => void): void {
  try {
    udp.close(done)
  } catch {
    // It never came to listen.
    done()
  }
}

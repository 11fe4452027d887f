/** Answers DNS for the names of services, over UDP and TCP; nothing else, and nothing forwarded. */
import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'
import type { Server, Socket } from 'node:net'
import packet from 'dns-packet'
import type { Answer, DecodedPacket } from 'dns-packet'
import { printAddress } from '../../contract/guard/address.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { serveMessages } from '../../runtime/tcp-messages.js'
import { answerQuestion } from './answer-question.js'
import type { ServiceZone } from './answer-question.js'

export interface ServiceDnsOptions extends ServiceZone {
  addresses: Array<{ host: string; port: number }>
  log: Logger
}

/** What every resolver takes, and what crosses any network whole. */
const LEAST_UDP_BYTES = 512
const MOST_UDP_BYTES = 1232
const MOST_TCP_BYTES = 65_535
const MOST_QUESTION_BYTES = 512
const MOST_CONNECTIONS = 64
const TCP_IDLE_MS = 10_000
/** Datagrams of one source in a second; a flood with a victim's address is not made larger. */
const MOST_PER_SECOND = 500
const MOST_SOURCES = 10_000
const RCODES = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 }

export class ServiceDns {
  readonly #options: ServiceDnsOptions
  readonly #udp: UdpSocket[] = []
  readonly #tcp: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #sources = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: ServiceDnsOptions) {
    this.#options = options
  }

  /** Rejects with `invalid` when an address cannot be listened at, and listens at none then. */
  async listen(): Promise<void> {
    for (const { host, port } of this.#options.addresses) {
      try {
        await this.#listenTcp(host, port)
        await this.#listenUdp(host, port)
      } catch (error) {
        this.close()
        const where = printAddress(host, port)
        throw new SluiceError('invalid', `SLUICE_DNS: ${where}: ${messageOf(error)}`)
      }
    }
    this.#timer = setInterval(() => this.#sources.clear(), 1000).unref()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#udp.splice(0).forEach((socket) => socket.close())
    this.#tcp.splice(0).forEach((server) => server.close())
    this.#sockets.forEach((socket) => socket.destroy())
  }

  async #listenUdp(host: string, port: number): Promise<void> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject).bind(port, host, resolve)
    })
    this.#udp.push(socket)
    socket.on('error', (error) => this.#options.log.warn({ error: error.message }, 'service DNS'))
    socket.on('message', (bytes, from) => {
      const reply = this.#isWelcome(from.address) ? this.#reply(bytes, false) : undefined
      if (reply !== undefined) {
        // Who asked asks again when it does not come.
        socket.send(reply, from.port, from.address, () => undefined)
      }
    })
  }

  async #listenTcp(host: string, port: number): Promise<void> {
    const server = createServer((socket) => this.#serve(socket))
    server.maxConnections = MOST_CONNECTIONS
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, host, resolve)
    })
    this.#tcp.push(server)
    server.on('error', (error) => this.#options.log.warn({ error: error.message }, 'service DNS'))
  }

  /** Beyond so many sources in a second nobody new is answered: they are likely made up. */
  #isWelcome(source: string): boolean {
    const count = this.#sources.get(source)
    if (count === undefined && this.#sources.size >= MOST_SOURCES) {
      return false
    }
    this.#sources.set(source, (count ?? 0) + 1)
    return (count ?? 0) < MOST_PER_SECOND
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    serveMessages(socket, {
      ...{ mostBytes: MOST_QUESTION_BYTES, idleMs: TCP_IDLE_MS },
      answer: (question) => {
        const reply = this.#reply(question, true)
        if (reply === undefined) {
          socket.destroy()
        }
        return reply
      },
    })
  }

  /** Undefined for what is no question. */
  #reply(bytes: Buffer, isTcp: boolean): Buffer | undefined {
    try {
      const query = packet.decode(bytes)
      return query.type === 'query' ? this.#answer(query, isTcp) : undefined
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'not a DNS question')
      return undefined
    }
  }

  #answer(query: DecodedPacket & { opcode?: string }, isTcp: boolean): Buffer {
    const { id = 0, questions = [], additionals = [] } = query
    const [question] = questions
    const edns = additionals.find(({ type }) => type === 'OPT')
    const asked = edns?.type === 'OPT' ? edns.udpPayloadSize : LEAST_UDP_BYTES
    const udpBytes = Math.min(MOST_UDP_BYTES, Math.max(LEAST_UDP_BYTES, asked))
    const opt = edns === undefined ? [] : [optRecord()]
    const flags = packet.AUTHORITATIVE_ANSWER | (query.flag_rd ? packet.RECURSION_DESIRED : 0)
    const base = { type: 'response' as const, id, questions, additionals: opt }
    const isQuery = query.opcode === undefined || query.opcode === 'QUERY'
    if (!isQuery || question === undefined || questions.length > 1) {
      const code = isQuery ? RCODES.FORMERR : RCODES.NOTIMP
      return packet.encode({ ...base, questions: [], flags: code })
    }
    const isInternet = question.class === undefined || question.class === 'IN'
    const { rcode, answers, authorities } = isInternet
      ? answerQuestion(question, this.#options)
      : { rcode: 'REFUSED' as const, answers: [], authorities: [] }
    const whole = { ...base, authorities, flags: flags | RCODES[rcode] }
    const fitting = fit(answers, packet.encodingLength(whole), isTcp ? MOST_TCP_BYTES : udpBytes)
    const cut = fitting.length < answers.length ? packet.TRUNCATED_RESPONSE : 0
    return packet.encode({ ...whole, answers: fitting, flags: whole.flags | cut })
  }
}

/** As many as there is room for. All records of an answer are about as long as the first. */
function fit(answers: Answer[], usedBytes: number, mostBytes: number): Answer[] {
  let left = mostBytes - usedBytes
  const bare = packet.encodingLength({})
  return answers.filter((answer) => {
    left -= packet.encodingLength({ answers: [answer] }) - bare
    return left >= 0
  })
}

function optRecord(): Answer & { type: 'OPT' } {
  return {
    ...{ type: 'OPT', name: '.', udpPayloadSize: MOST_UDP_BYTES },
    ...{ extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] },
  }
}

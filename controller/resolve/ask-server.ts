/** One question to one DNS server: over UDP, and over TCP where the answer does not fit. */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import packet from 'dns-packet'
import type { DecodedPacket, Question } from 'dns-packet'
import { withTimeLimit } from '../../runtime/retry.js'
import { withLength } from '../../runtime/tcp-messages.js'
import type { DnsServer } from './resolvers.js'

const MOST_BYTES = 65_535

/** Types that names are asked for. */
export type RecordType = 'A' | 'AAAA' | 'SRV'

interface Query {
  id: number
  question: Question
  bytes: Buffer
}

/** Answers of servers have codes that the library's types do not name. */
export type DnsReply = DecodedPacket & { rcode?: string }

/**
 * Resolves with what the server answered, errors among it. Rejects when it does not within
 * `timeoutMs`, or cannot be reached.
 */
export async function askServer(
  server: DnsServer,
  name: string,
  type: RecordType,
  timeoutMs: number,
): Promise<DnsReply> {
  const id = randomInt(65_536)
  const question = { name, type, class: 'IN' as const }
  const flags = packet.RECURSION_DESIRED
  const bytes = packet.encode({ type: 'query', id, flags, questions: [question] })
  const query = { id, question, bytes }
  const reply = await limited(timeoutMs, (signal) => askByUdp(server, query, signal))
  return reply.flag_tc ? limited(timeoutMs, (signal) => askByTcp(server, query, signal)) : reply
}

async function limited<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const end = new AbortController()
  try {
    return await withTimeLimit(ms, work(end.signal), () => new Error(`no answer within ${ms} ms`))
  } finally {
    end.abort()
  }
}

/** Undefined for what is no answer to the question: somebody else may have sent it. */
function readReply(bytes: Buffer, { id, question }: Query): DnsReply | undefined {
  let reply: DnsReply
  try {
    reply = packet.decode(bytes)
  } catch {
    return undefined
  }
  const asked = reply.questions?.[0]
  const isOurs =
    reply.type === 'response' &&
    reply.id === id &&
    asked?.type === question.type &&
    asked.name.toLowerCase() === question.name.toLowerCase()
  return isOurs ? reply : undefined
}

function askByUdp(server: DnsServer, query: Query, signal: AbortSignal): Promise<DnsReply> {
  const socket = createSocket(isIPv6(server.host.replace(/%.*$/, '')) ? 'udp6' : 'udp4')
  signal.addEventListener('abort', () => socket.close(), { once: true })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (bytes) => {
      const reply = readReply(bytes, query)
      if (reply !== undefined) {
        resolve(reply)
      }
    })
    socket.once('connect', () => {
      if (!signal.aborted) {
        socket.send(query.bytes)
      }
    })
    // A connected socket gets what this server sends alone, and hears of a closed port.
    socket.connect(server.port, server.host)
  })
}

function askByTcp(server: DnsServer, query: Query, signal: AbortSignal): Promise<DnsReply> {
  const socket = connect(server)
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  return new Promise((resolve, reject) => {
    let pending: Buffer = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('it closed the connection')))
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      const end = pending.length < 2 ? MOST_BYTES + 2 : 2 + pending.readUInt16BE(0)
      if (pending.length >= end) {
        const reply = readReply(pending.subarray(2, end), query)
        if (reply === undefined) {
          reject(new Error('it answered something else'))
        } else {
          resolve(reply)
        }
      }
    })
    socket.write(withLength(query.bytes))
  })
}

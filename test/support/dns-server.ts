/** A DNS server on loopback, over UDP and TCP, that answers as a test says. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import packet from 'dns-packet'
import type { Answer } from 'dns-packet'
import { freePort } from '../../lab/ports.js'

export interface DnsServerForTests {
  host: string
  port: number
  /** What it has, by name; a name that it lacks is answered NXDOMAIN. */
  names: Map<string, Answer[]>
  /** `SERVFAIL` to all, or nothing at all. */
  fault: 'SERVFAIL' | 'silent' | undefined
  /** UDP answers nothing but that the answer is truncated. */
  isTruncating: boolean
  /** Questions that came: `udp A web.internal`. */
  asked: string[]
}

const RCODES = { NXDOMAIN: 3, SERVFAIL: 2, NOERROR: 0 }

export function a(name: string, data: string, ttl: number): Answer {
  return { type: 'A', name, data, ttl }
}

export async function startDnsServer(t: {
  teardown(fn: () => unknown): void
}): Promise<DnsServerForTests> {
  const host = '127.0.0.1'
  const port = await freePort()
  const names = new Map<string, Answer[]>()
  const self: DnsServerForTests = {
    ...{ host, port, names, fault: undefined, isTruncating: false, asked: [] },
  }
  const udp = createSocket('udp4')
  udp.on('message', (bytes, from) => {
    const reply = answer(self, bytes, 'udp')
    if (reply !== undefined) {
      udp.send(reply, from.port, from.address)
    }
  })
  await new Promise<void>((resolve) => udp.bind(port, host, resolve))
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      const reply = answer(self, bytes.subarray(2), 'tcp')
      if (reply !== undefined) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        // In pieces, as it may come.
        socket.write(Buffer.concat([length, reply.subarray(0, 5)]))
        setImmediate(() => socket.write(reply.subarray(5)))
      }
    })
  })
  await new Promise<void>((resolve) => tcp.listen(port, host, resolve))
  t.teardown(() => {
    udp.close()
    sockets.forEach((socket) => socket.destroy())
    tcp.close()
  })
  return self
}

function answer(self: DnsServerForTests, bytes: Buffer, by: 'udp' | 'tcp'): Buffer | undefined {
  const { id = 0, questions = [] } = packet.decode(bytes)
  const [question] = questions
  if (question === undefined) {
    return undefined
  }
  self.asked.push(`${by} ${question.type} ${question.name}`)
  if (self.fault === 'silent') {
    return undefined
  }
  const all = self.names.get(question.name)
  const isCut = by === 'udp' && self.isTruncating
  const rcode = self.fault ?? (all === undefined ? 'NXDOMAIN' : 'NOERROR')
  const isAlias = all?.[0]?.type === 'CNAME'
  const fitting = all?.filter(({ type }) => isAlias || type === question.type) ?? []
  const answers = self.fault !== undefined || isCut ? [] : fitting
  const flags = RCODES[rcode] | (isCut ? packet.TRUNCATED_RESPONSE : 0)
  return packet.encode({ type: 'response', id, flags, questions, answers })
}

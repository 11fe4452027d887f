/** A way of datagrams between nginx and who answers its questions, which loses and delays them. */
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'

export interface DnsPathOptions {
  /** Where nginx asks. */
  port: number
  /** Who answers. */
  to: number
  /** From 0 to 1. */
  random: () => number
}

export interface DnsPath {
  /** Shares of all datagrams, either way. */
  lost: number
  late: number
  /** How late at most, in milliseconds; later ones overtake. */
  mostMs: number
  counts: { whole: number; lost: number; late: number }
  stop: () => Promise<void>
}

/** Each socket that asks has one of its own to the other side, as answers depend on who asks. */
export async function startDnsPath({ port, to, random }: DnsPathOptions): Promise<DnsPath> {
  const front = createSocket('udp4')
  const backs = new Map<number, Socket>()
  const path: DnsPath = {
    ...{ lost: 0, late: 0, mostMs: 0, counts: { whole: 0, lost: 0, late: 0 } },
    stop: async () => {
      const all = [front, ...backs.values()]
      await Promise.all(all.map((socket) => new Promise<void>((done) => socket.close(done))))
    },
  }
  const pass = (send: () => void): void => {
    const fate = random()
    const what = fate < path.lost ? 'lost' : fate < path.lost + path.late ? 'late' : 'whole'
    path.counts[what]++
    if (what === 'whole') {
      send()
    } else if (what === 'late') {
      setTimeout(send, random() * path.mostMs).unref()
    }
  }
  // A socket that was closed meanwhile sends nothing more.
  const sendOn = (socket: Socket, message: Buffer, toPort: number): void => {
    try {
      socket.send(message, toPort, '127.0.0.1', () => undefined)
    } catch {
      path.counts.lost++
    }
  }
  front.on('message', (question, { port: asker }) => {
    let back = backs.get(asker)
    if (back === undefined) {
      back = createSocket('udp4').on('message', (answer) =>
        pass(() => sendOn(front, answer, asker)),
      )
      backs.set(asker, back)
    }
    const way = back
    pass(() => sendOn(way, question, to))
  })
  front.bind(port, '127.0.0.1')
  await once(front, 'listening')
  return path
}

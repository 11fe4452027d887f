/** Questions of DNS over TCP without end, by many connections at once. */
import { connect } from 'node:net'
import dns from 'dns-packet'

export interface Flood {
  /** Bytes of answers that were read. */
  answeredBytes: () => number
  stop: () => void
}

const AT_ONCE = 1000

/** Every other connection reads its answers, the rest never do. */
export function floodDns(
  t: { teardown(fn: () => unknown): void },
  port: number,
  connections: number,
  name: string,
): Flood {
  const question = dns.streamEncode({ type: 'query', id: 7, questions: [{ type: 'SRV', name }] })
  const questions = Buffer.concat(Array<Buffer>(AT_ONCE).fill(question))
  let bytes = 0
  const sockets = Array.from({ length: connections }, (_, i) => {
    const socket = connect(port, '127.0.0.1')
    const send = (): void => void socket.write(questions)
    socket.on('error', () => undefined).on('drain', send)
    if (i % 2 === 0) {
      socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
    } else {
      socket.pause()
    }
    send()
    return socket
  })
  const stop = (): void => sockets.forEach((socket) => socket.destroy())
  t.teardown(stop)
  return { answeredBytes: () => bytes, stop }
}

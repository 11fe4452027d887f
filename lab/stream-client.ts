/** Clients of TCP, TLS and UDP servers that say who they are (lab/backends/stream-backend.ts). */
import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Client {
  socket: Socket
  /** The next line that came; '' when it was closed before. */
  line: () => Promise<string>
  end: () => Promise<void>
}

/** Connects; resolves when the connection is there. */
export function openTcp(port: number): Promise<Client> {
  return open(connect(port, '127.0.0.1'), 'connect')
}

export interface TlsClient extends Client {
  /** SHA-256 of the certificate that was shown; '' without a handshake. */
  fingerprint: string
}

/** Asks for `name`; undefined: for none. Resolves when the handshake is over, or the connection. */
export async function openTls(port: number, name?: string): Promise<TlsClient> {
  const socket = connectTls({
    ...{ host: '127.0.0.1', port, rejectUnauthorized: false },
    ...(name !== undefined && { servername: name }),
    ...(name === undefined && { checkServerIdentity: () => undefined }),
  })
  const client = await open(socket, 'secureConnect')
  const shown = socket.destroyed ? undefined : socket.getPeerCertificate()
  return { ...client, fingerprint: shown?.fingerprint256 ?? '' }
}

async function open(socket: Socket, ready: string): Promise<Client> {
  let text = ''
  let closed = false
  let wake = (): void => undefined
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    wake()
  })
  const whenClosed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      closed = true
      wake()
      resolve()
    })
  })
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once(ready, resolve).once('close', resolve))
  const line = async (): Promise<string> => {
    while (!text.includes('\n') && !closed) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const end = text.indexOf('\n')
    const found = end < 0 ? '' : text.slice(0, end)
    text = text.slice(end + 1)
    return found
  }
  const end = async (): Promise<void> => {
    socket.destroy()
    await whenClosed
  }
  return { socket, line, end }
}

/**
 * Who greets, over `n` connections, one after the other; '' for one that was closed without a word.
 */
export async function greeted(port: number, n: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < n; i++) {
    const client = await openTcp(port)
    const who = await client.line()
    counts[who] = (counts[who] ?? 0) + 1
    await client.end()
  }
  return counts
}

const AGAIN_MS = 250

/** A datagram from each of so many clients, none of whom waits for an answer. */
export async function floodUdp(port: number, count: number): Promise<() => void> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'))
  for (const [i, socket] of sockets.entries()) {
    socket.on('error', () => undefined)
    const own = `127.2.${Math.floor(i / 250)}.${1 + (i % 250)}`
    await new Promise<void>((resolve) => {
      socket.bind(0, own, resolve)
    })
    await new Promise<void>((resolve) => {
      socket.send('x', port, '127.0.0.1', () => resolve())
    })
  }
  return () => sockets.forEach((socket) => socket.close())
}

let clients = 0

/**
 * What a datagram of a new client is answered; '' when nothing comes within `waitMs`. Sent again
 * meanwhile: a busy machine may lose one.
 */
export async function askUdp(port: number, text: string, waitMs = 10_000): Promise<string> {
  const socket = createSocket('udp4')
  // A port alone is soon somebody else's again, and nginx would take him for the one before.
  clients += 1
  const own = `127.1.${Math.floor(clients / 250)}.${1 + (clients % 250)}`
  await new Promise<void>((resolve) => {
    socket.bind(0, own, resolve)
  })
  const send = () => socket.send(text, port, '127.0.0.1')
  const again = setInterval(send, AGAIN_MS)
  try {
    return await new Promise<string>((resolve) => {
      const timer = setTimeout(() => resolve(''), waitMs)
      socket.on('error', () => undefined)
      socket.on('message', (answer) => {
        clearTimeout(timer)
        resolve(answer.toString())
      })
      send()
    })
  } finally {
    clearInterval(again)
    socket.close()
  }
}

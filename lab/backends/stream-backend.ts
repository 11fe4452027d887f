// TCP, TLS and UDP servers that say who they are, and then echo; and clients of theirs.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Server, type Socket } from 'node:net'
import {
  TLSSocket,
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
} from 'node:tls'
import type { Pem } from '../engines/certificates.js'

interface TestLike {
  teardown(fn: () => unknown): void
}

export interface StreamBackend {
  id: string
  host: string
  port: number
  /** Connections that are open now. */
  open: () => number
  /** Connections that there were. */
  seen: () => number
  /** Stops listening and cuts what is open. */
  stop: () => Promise<void>
}

/** Greets each TCP connection with `<id>\n` and echoes. */
export function startTcp(
  t: TestLike,
  id: string,
  host = '127.0.0.1',
  port = 0,
): Promise<StreamBackend> {
  return start(t, { id, host, port }, (greet) => createServer(greet))
}

/** The same inside TLS, under a certificate of its own. */
export function startTls(
  t: TestLike,
  id: string,
  { certificate, privateKey }: Pem,
  host = '127.0.0.1',
): Promise<StreamBackend> {
  const own = { cert: certificate, key: privateKey }
  return start(t, { id, host, port: 0 }, (greet) => createTlsServer(own, greet))
}

/**
 * Waits for the line of a proxy, then greets with `<id> <line>`, inside TLS where it has a
 * certificate, and echoes. A connection that begins with anything else is closed.
 */
export function startBehindProxy(
  t: TestLike,
  id: string,
  pem?: Pem,
  host = '127.0.0.1',
): Promise<StreamBackend> {
  const secure = pem && createSecureContext({ cert: pem.certificate, key: pem.privateKey })
  return start(t, { id, host, port: 0 }, () =>
    createServer((socket) => {
      socket.once('readable', () => {
        const data = (socket.read() ?? Buffer.alloc(0)) as Buffer
        const end = data.indexOf('\r\n')
        if (!data.toString('latin1').startsWith('PROXY ') || end < 0) {
          return socket.destroy()
        }
        socket.unshift(data.subarray(end + 2))
        const inside = secure
          ? new TLSSocket(socket, { isServer: true, secureContext: secure })
          : socket
        inside.on('error', () => undefined)
        inside.write(`${id} ${data.subarray(0, end).toString()}\n`)
        return inside.pipe(inside)
      })
    }),
  )
}

async function start(
  t: TestLike,
  { id, host, port: wanted }: { id: string; host: string; port: number },
  makeServer: (greet: (socket: Socket) => void) => Server,
): Promise<StreamBackend> {
  const sockets = new Set<Socket>()
  let seen = 0
  const server = makeServer((socket) => {
    socket.write(`${id}\n`)
    socket.pipe(socket)
  })
  // Of a TLS server too this is the connection itself, before anything was said.
  server.on('connection', (socket) => {
    sockets.add(socket)
    seen += 1
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
  })
  server.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => undefined))
  const port = await new Promise<number>((resolve) => {
    server.listen(wanted, host, () => resolve((server.address() as { port: number }).port))
  })
  const stop = async (): Promise<void> => {
    sockets.forEach((socket) => socket.destroy())
    if (server.listening) {
      await new Promise((resolve) => server.close(resolve))
    }
  }
  t.teardown(stop)
  return { id, host, port, open: () => sockets.size, seen: () => seen, stop }
}

/** Answers each datagram with `<id> <text>`. */
export async function startUdp(t: TestLike, id: string): Promise<StreamBackend> {
  const socket: UdpSocket = createSocket('udp4')
  let seen = 0
  socket.on('message', (text, from) => {
    seen += 1
    socket.send(`${id} ${text.toString()}`, from.port, from.address)
  })
  const port = await new Promise<number>((resolve) => {
    socket.bind(0, '127.0.0.1', () => resolve(socket.address().port))
  })
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      socket.close(() => resolve())
    })
  t.teardown(() => stop().catch(() => undefined))
  return { id, host: '127.0.0.1', port, open: () => 0, seen: () => seen, stop }
}

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

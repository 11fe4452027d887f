/** TCP, TLS and UDP servers that say who they are, and then echo. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket, createSecureContext, createServer as createTlsServer } from 'node:tls'
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
  /** Stops listening; what is open goes on. */
  close: () => Promise<void>
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
    await close()
  }
  const close = async (): Promise<void> => {
    if (server.listening) {
      await new Promise((resolve) => server.close(resolve))
    }
  }
  t.teardown(stop)
  return { id, host, port, open: () => sockets.size, seen: () => seen, stop, close }
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
  return { id, host: '127.0.0.1', port, open: () => 0, seen: () => seen, stop, close: stop }
}

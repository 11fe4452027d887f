/** Backends that answer as a request asks them to, and keep a ledger of what reached them. */
import { createHash } from 'node:crypto'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http'
import type { ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { ServerOptions } from 'node:https'
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Pem } from '../engines/certificates.js'
import { freePort } from '../ports.js'

interface Entry {
  method: string
  url: string
  headers: IncomingHttpHeaders
  rawHeaders: string[]
  bytes: number
  /** The address it was reached at. */
  local: string
  /** The name that TLS was asked for by, or false for none; absent without TLS. */
  serverName?: string | false
  /** Serial number of the certificate that the client showed; absent where none was asked for. */
  shown?: string
}

export interface Backend {
  id: string
  host: string
  port: number
  address: string
  /** Requests that came, whole or not, in order. */
  ledger: Entry[]
  /** TCP connections that came. */
  connections: () => number
  /** Lets requests that wait (`?hold`) go on. */
  release: () => void
  /** Milliseconds that each answer takes from now on. */
  slow: (delayMs: number) => void
  /** Requests that wait. */
  held: () => number
  stop: () => Promise<void>
}

/** How a faulty backend ends a connection. */
export type Fault =
  /** RST as soon as a byte came. */
  | 'reset'
  /** RST once this many bytes came. */
  | { resetAfterBytes: number }
  /** Part of an answer, then RST. */
  | 'resetInAnswer'
  /** Takes all and says nothing. */
  | 'hang'

/**
 * Over TLS with `pem`; with `clientCa` only for who shows a certificate by that authority. Answers
 * JSON `{id, method, url, headers, bytes, digest}`; `?hold` waits for `release`, `?status=N`
 * (with `&only=<id>` of that backend alone),
 * `?empty`, `?sse`, and upgrades to an echo. At `?reset` it resets the connection.
 */
export async function startBackend(
  t: { teardown(fn: () => unknown): void },
  id: string,
  host = '127.0.0.1',
  pem?: Pem & { clientCa?: string },
): Promise<Backend> {
  const ledger: Entry[] = []
  const waiting = new Set<() => void>()
  let connections = 0
  let delayMs = 0
  const take: RequestListener = (request, response) => {
    const entry = newEntry(request)
    ledger.push(entry)
    const digest = createHash('sha256')
    request.on('data', (chunk: Buffer) => {
      entry.bytes += chunk.length
      digest.update(chunk)
    })
    request.on('error', () => undefined)
    request.on('end', () => {
      const go = (): void => answer(id, entry, digest.digest('hex'), response)
      if (!entry.url.includes('hold')) {
        return delayMs > 0 ? void setTimeout(go, delayMs) : go()
      }
      waiting.add(go)
      response.on('close', () => waiting.delete(go))
    })
  }
  const server = pem === undefined ? createServer(take) : createTlsServer(read(pem), take)
  server.on('connection', () => (connections += 1))
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    ledger.push(newEntry(request))
    socket.on('error', () => undefined)
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    )
    socket.pipe(socket)
  })
  server.keepAliveTimeout = 60_000
  const port = await listen(server, host)
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  t.teardown(stop)
  const release = (): void => {
    for (const go of [...waiting]) {
      waiting.delete(go)
      go()
    }
  }
  const held = (): number => waiting.size
  const slow = (millis: number): void => void (delayMs = millis)
  const common = { connections: () => connections, slow, release, held, stop }
  return { id, host, port, address: `${host}:${port}`, ledger, ...common }
}

export interface FaultyBackend {
  address: string
  /** Connections on which at least a byte came. */
  hits: () => number
}

export async function startFaultyBackend(
  t: { teardown(fn: () => unknown): void },
  fault: Fault,
): Promise<FaultyBackend> {
  let hits = 0
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      if (bytes === 0) {
        hits += 1
      }
      bytes += chunk.length
      fail(socket, fault, bytes)
    })
  })
  const port = await listen(server, '127.0.0.1')
  t.teardown(
    () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) {
          socket.destroy()
        }
        server.close(() => resolve())
      }),
  )
  return { address: `127.0.0.1:${port}`, hits: () => hits }
}

/** An address that refuses every connection. */
export async function refusingAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`
}

function fail(socket: Socket, fault: Fault, bytes: number): void {
  if (fault === 'reset') {
    socket.resetAndDestroy()
  } else if (fault === 'resetInAnswer') {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart'
    socket.write(head, () => socket.resetAndDestroy())
  } else if (fault !== 'hang' && bytes >= fault.resetAfterBytes) {
    socket.resetAndDestroy()
  }
}

function read({ certificate, privateKey, clientCa }: Pem & { clientCa?: string }): ServerOptions {
  const own = { cert: certificate, key: privateKey }
  return clientCa === undefined ? own : { ...own, ca: clientCa, requestCert: true }
}

function newEntry(request: IncomingMessage): Entry {
  const { method = '', url = '', headers, rawHeaders } = request
  const local = `${request.socket.localAddress}:${request.socket.localPort}`
  const { servername } = request.socket as TLSSocket
  const named = servername === undefined ? {} : { serverName: servername ?? false }
  const shown = servername === undefined ? undefined : shownBy(request.socket as TLSSocket)
  return { method, url, headers, rawHeaders, bytes: 0, local, ...named, ...(shown && { shown }) }
}

function shownBy(socket: TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.serialNumber
}

function answer(id: string, entry: Entry, digest: string, response: ServerResponse): void {
  if (entry.url.includes('?reset')) {
    const { socket } = response
    // Node resets no connection of TLS: it ends.
    if (entry.serverName === undefined) {
      socket?.resetAndDestroy()
    } else {
      socket?.destroy()
    }
    return
  }
  const only = /only=(\w+)/.exec(entry.url)?.[1] ?? id
  const status = only === id ? Number(/status=(\d+)/.exec(entry.url)?.[1] ?? 200) : 200
  if (entry.url.includes('sse')) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('data: first\n\n')
    response.on('close', () => response.destroy())
    return
  }
  const own = { Server: 'of-the-backend', 'X-Accel-Expires': '0', 'X-Own': id }
  response.writeHead(status, { 'Content-Type': 'application/json', ...own })
  response.end(entry.url.includes('empty') ? '' : JSON.stringify({ id, ...entry, digest }))
}

async function listen(server: Server | TcpServer, host: string): Promise<number> {
  for (;;) {
    const port = await freePort()
    const ok = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, host, () => resolve(true))
    })
    if (ok) {
      return port
    }
  }
}

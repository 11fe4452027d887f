// What a proxy in front sends before all else, and connections that begin with it.
import { connect, isIPv6, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { until } from '../../lab/until.js'

/** The PROXY protocol's first version: a line of text. */
export function lineFor(client: string): Buffer {
  const family = isIPv6(client) ? 'TCP6' : 'TCP4'
  const own = isIPv6(client) ? '::1' : '127.0.0.1'
  return Buffer.from(`PROXY ${family} ${client} ${own} 4711 80\r\n`)
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
const TCP4 = 0x11
const PROXIED = 0x21

/** The second version, of an IPv4 client. */
export function bytesFor(client: string): Buffer {
  const addresses = [client, '127.0.0.1'].flatMap((address) => address.split('.').map(Number))
  return Buffer.concat([
    SIGNATURE,
    Buffer.from([PROXIED, TCP4, 0, 12, ...addresses, 0x12, 0x67, 0, 80]),
  ])
}

export interface Proxied {
  port: number
  /** What the proxy says of its client; nothing at all by default. */
  head?: Buffer
  /** The proxy's own address. */
  from?: string
}

/** Connects and says `head`. */
export function openProxied({ port, head, from = '127.0.0.1' }: Proxied): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.on('error', () => undefined)
  if (head !== undefined) {
    socket.write(head)
  }
  return socket
}

/** The same, with TLS inside. */
export function openProxiedTls(proxied: Proxied, servername: string): Socket {
  const socket = openProxied(proxied)
  const inside = connectTls({ socket, servername, rejectUnauthorized: false })
  return inside.on('error', () => undefined)
}

/** The next line that is said; '' when the connection ends first. */
export async function lineOf(socket: Socket): Promise<string> {
  let text = ''
  let isOver = false
  const take = (chunk: Buffer) => void (text += chunk.toString())
  const end = () => void (isOver = true)
  socket.on('data', take).once('close', end)
  await until(() => isOver || text.includes('\n'), { what: 'a line', intervalMs: 2 })
  socket.off('data', take)
  return text.includes('\n') ? text.slice(0, text.indexOf('\n')) : ''
}

/** What the instance saw of a GET; undefined when the connection was closed before an answer. */
export async function headersBy(
  socket: Socket,
  host: string,
): Promise<Record<string, string> | undefined> {
  const seen = /^\{.*\}/m
  let text = ''
  let isOver = false
  const take = (chunk: Buffer) => void (text += chunk.toString())
  socket.on('data', take).once('close', () => (isOver = true))
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  await until(() => isOver || seen.test(text), { what: 'an answer', intervalMs: 2 })
  socket.off('data', take)
  const body = seen.exec(text)?.[0]
  return body === undefined
    ? undefined
    : (JSON.parse(body) as { headers: Record<string, string> }).headers
}

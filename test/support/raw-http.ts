/** Requests as bytes on a socket, for what no HTTP client would send. */
import { connect, type Socket } from 'node:net'
import { until } from '../../lab/until.js'

export interface RawRequest {
  socket: Socket
  /** All that came back so far. */
  text: () => string
  /** The status line of the first answer, `100` counts as one; `closed` where none came. */
  first: () => Promise<string>
}

/** Sends `bytes` and keeps the connection open. */
export function sendRaw(
  t: { teardown(fn: () => unknown): void },
  port: number,
  ...bytes: Array<string | Buffer>
): RawRequest {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let isClosed = false
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  socket.on('close', () => (isClosed = true))
  for (const each of bytes) {
    socket.write(each)
  }
  t.teardown(() => socket.destroy())
  const first = async (): Promise<string> => {
    await until(() => text.includes('\r\n') || isClosed, { what: 'an answer' })
    return /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'closed'
  }
  return { socket, text: () => text, first }
}

/** `POST /x HTTP/1.1` with these header lines and no body yet. */
export function head(host: string, path: string, ...lines: string[]): string {
  return [`POST ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')
}

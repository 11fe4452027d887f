/** An instance of HTTP/1.1 that takes requests byte for byte, whatever a parser says of them. */
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** Bytes as latin1. */
export interface RawRequest {
  line: string
  headers: string[]
  body: string
}

/** The body that stands first in `text`, and where it ends; undefined while more is to come. */
function readBody(
  headers: readonly string[],
  text: string,
): { body: string; end: number } | undefined {
  if (headers.some((line) => /^transfer-encoding: *chunked$/i.test(line))) {
    let [body, at] = ['', 0]
    for (;;) {
      const size = /^([0-9a-f]+)\r\n/i.exec(text.slice(at, at + 12))
      const length = Number.parseInt(size?.[1] ?? '0', 16)
      const end = at + (size?.[0].length ?? 0) + length + 2
      if (size === null || text.length < end) {
        return undefined
      }
      if (length === 0) {
        return { body, end }
      }
      body += text.slice(end - 2 - length, end - 2)
      at = end
    }
  }
  const named = headers.find((line) => /^content-length:/i.test(line))
  const length = Number(named?.slice(15) ?? 0)
  return text.length < length ? undefined : { body: text.slice(0, length), end: length }
}

function serve(socket: Socket, answer: (request: RawRequest) => string): void {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const [line = '', ...headers] = text.slice(0, end).split('\r\n')
      const read = readBody(headers, text.slice(end + 4))
      if (read === undefined) {
        return
      }
      text = text.slice(end + 4 + read.end)
      socket.write(answer({ line, headers, body: read.body }), 'latin1')
    }
  })
  socket.on('error', () => socket.destroy())
}

/** `answer`: a whole answer of a known length, as bytes. Resolves with the port. */
export async function startRawInstance(
  t: { teardown(fn: () => unknown): void },
  answer: (request: RawRequest) => string,
): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    serve(socket, answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    sockets.forEach((socket) => socket.destroy())
    server.close()
  })
  return (server.address() as AddressInfo).port
}

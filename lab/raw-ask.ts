// One exchange over TCP, byte for byte: what no client would send.
import { connect } from 'node:net'

/**
 * Sends `text` and answers all that came until the other side closed. Whoever wants an answer of
 * HTTP/1.1 asks for `Connection: close`. `door`: a
 * port of loopback, or a socket's path. `from`: an address of loopback that it comes from.
 */
export function rawAsk(
  door: number | string,
  text: string | Buffer,
  from = '127.0.0.1',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const target =
      typeof door === 'string'
        ? { path: door }
        : { port: door, host: '127.0.0.1', localAddress: from }
    const socket = connect(target, () => socket.write(text))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

/** The status of an answer, and its body if that is JSON. */
export function readRaw(answer: string): { status: number; location?: string; json: unknown } {
  const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(answer)?.[1] ?? 0)
  const location = /^location: (.*)\r$/im.exec(answer)?.[1]
  const json = /\{.*\}/s.exec(answer)?.[0]
  return {
    status,
    ...(location !== undefined && { location }),
    json: json === undefined ? undefined : (JSON.parse(json) as unknown),
  }
}

/** Requests of HTTP/2 frame by frame, for headers that no client would send. */
import { once } from 'node:events'
import { connect } from 'node:net'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, goAway: 7 }
const ACK = 1
const END_STREAM = 1
const END_HEADERS = 4

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** HPACK's integer with a prefix of seven bits (RFC 7541, 5.1). */
function length(bytes: number): number[] {
  return bytes < 127
    ? [bytes]
    : [
        127,
        ...(bytes - 127 < 128 ? [bytes - 127] : [((bytes - 127) % 128) + 128, (bytes - 127) >> 7]),
      ]
}

/** Literal, without the table and without Huffman's code (RFC 7541, 6.2.2). */
function literal(name: string, value: string): Buffer {
  const text = (each: string) => {
    const bytes = Buffer.from(each, 'latin1')
    return Buffer.concat([Buffer.from(length(bytes.length)), bytes])
  }
  return Buffer.concat([Buffer.from([0]), text(name), text(value)])
}

/**
 * Sends one request without TLS, as these lines in this order; how it ended: `answered` (its stream
 * is at an end), `reset` (that one was refused) or `closed` (the whole connection was).
 */
export async function askH2(
  port: number,
  lines: Array<[name: string, value: string]>,
  body = Buffer.alloc(0),
): Promise<'answered' | 'reset' | 'closed'> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const block = Buffer.concat(lines.map(([name, value]) => literal(name, value)))
  const request = [
    Buffer.from(PREFACE),
    frame(FRAME.settings, 0, 0),
    frame(FRAME.headers, END_HEADERS | (body.length === 0 ? END_STREAM : 0), 1, block),
    ...(body.length === 0 ? [] : [frame(FRAME.data, END_STREAM, 1, body)]),
  ]
  socket.write(Buffer.concat(request))
  let got = Buffer.alloc(0)
  const ended = new Promise<'answered' | 'reset' | 'closed'>((resolve) => {
    socket.on('error', () => resolve('closed')).on('close', () => resolve('closed'))
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk])
      while (got.length >= 9 && got.length >= 9 + got.readUIntBE(0, 3)) {
        const [size, type, flags] = [got.readUIntBE(0, 3), got.readUInt8(3), got.readUInt8(4)]
        got = got.subarray(9 + size)
        if (type === FRAME.settings && (flags & ACK) === 0) {
          socket.write(frame(FRAME.settings, ACK, 0))
        } else if (type === FRAME.reset || type === FRAME.goAway) {
          resolve(type === FRAME.reset ? 'reset' : 'closed')
        } else if (type <= FRAME.headers && (flags & END_STREAM) !== 0) {
          resolve('answered')
        }
      }
    })
  })
  try {
    return await ended
  } finally {
    socket.destroy()
  }
}

/** Paths and what is asked for there; one of `/h2c` is let pass over HTTP/1.1. */
export const UPGRADES_OVER_H2 = [
  ['/', 'websocket'],
  ['/h2c', 'h2c'],
] as const

/** A request that would change its connection, which HTTP/2 cannot (RFC 9113, 8.6). */
export function upgradingH2(
  host: string,
  path: string,
  protocol: string,
): Array<[name: string, value: string]> {
  return [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', host],
    [':path', path],
    ['connection', 'upgrade'],
    ['upgrade', protocol],
  ]
}

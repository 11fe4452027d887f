/**
 * HTTP/3 by openssl, byte for byte: for names and headers that curl would not send. A process for
 * each connection.
 */
import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'

/** An integer with a prefix of `bits` (RFC 7541, 5.1). */
function prefixed(first: number, bits: number, value: number): number[] {
  const most = 2 ** bits - 1
  if (value < most) {
    return [first | value]
  }
  const rest = value - most
  return [first | most, ...(rest < 128 ? [rest] : [(rest & 127) | 128, rest >> 7])]
}

/** A HEADERS frame, each line literally (RFC 9204, 4.5.6); up to 16 KB. */
function headersFrame(lines: Array<[name: string, value: string]>): Buffer {
  const fields = lines.map(([name, value]) => {
    const [key, text] = [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')]
    return [...prefixed(0x20, 3, key.length), ...key, ...prefixed(0, 7, text.length), ...text]
  })
  const block = Buffer.from([0, 0, ...fields.flat()])
  const length = Buffer.alloc(2)
  length.writeUInt16BE(0x4000 | block.length)
  return Buffer.concat([Buffer.from([1]), length, block])
}

async function talk(port: number, name: string, isDone: (text: string) => boolean, data?: Buffer) {
  const { openssl } = await tools()
  const given = ['-alpn', 'h3', '-connect', `127.0.0.1:${port}`, '-servername', name]
  const child = spawn(openssl, ['s_client', '-quic', '-adv', ...given])
  let text = ''
  let isOver = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  }
  child.on('close', () => (isOver = true))
  child.stdin.on('error', () => undefined)
  if (data !== undefined) {
    child.stdin.write(data)
    await until(() => isOver || text.includes('Max Early Data'))
    child.stdin.write('{fin}\n')
  }
  await until(() => isOver || isDone(text))
  child.kill('SIGKILL')
  return text
}

/** The certificate that is shown for the name; '' where the handshake is refused. */
export async function shownOverQuic(port: number, name: string): Promise<string> {
  const isDone = (text: string) => text.includes('Max Early Data')
  const text = await talk(port, name, isDone)
  const pem = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/s.exec(text)?.[0]
  return pem === undefined ? '' : new X509Certificate(pem).fingerprint256
}

/** The status that nginx's own page names, or the JSON that an instance answered. */
export async function askOverQuic(
  port: number,
  name: string,
  lines: Array<[name: string, value: string]>,
): Promise<string> {
  const ANSWER = /<title>(\d+)|(\{"id".*\})/
  // openssl may take a stream for its own that nginx opened first; then another connection is made.
  const notMine = 'recv only'
  const text = await until(async () => {
    const isDone = (each: string) => each.includes(notMine) || ANSWER.test(each)
    const each = await talk(port, name, isDone, headersFrame(lines))
    return ANSWER.test(each) ? each : undefined
  })
  const [, status, json] = ANSWER.exec(text) ?? []
  return status ?? json ?? ''
}

// What TLS clients really say, whole, in parts and broken.
import type { ConnectionOptions } from 'node:tls'
import t from 'tap'
import { nameReader } from '../../../../njs/stream/client-hello.js'
import { hello } from '../../../../lab/tls-client.js'

const nameIn = (data: Buffer): string | null => nameReader()(data)

/** The same message in records of `size` bytes. */
function inRecords(data: Buffer, size: number): Buffer {
  const message = data.subarray(5)
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(parts)
}

const OLD: ConnectionOptions = { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }

t.test('the name that a client asks for', async (t) => {
  t.equal(nameIn(await hello({ servername: 'app.example.com' })), 'app.example.com')
  t.equal(nameIn(await hello({ servername: 'app.example.com', ...OLD })), 'app.example.com')
  t.equal(nameIn(await hello({})), '', 'none')
  t.equal(nameIn(await hello({ ALPNProtocols: ['h2'], servername: 'a' })), 'a')
})

t.test('one that comes in parts', async (t) => {
  const whole = await hello({ servername: 'app.example.com' })
  for (let length = 0; length < whole.length; length++) {
    if (nameIn(whole.subarray(0, length)) !== null) {
      t.fail(`said something after ${length} bytes`)
    }
  }
  for (const size of [1, 2, 3, 50, 200]) {
    t.equal(nameIn(inRecords(whole, size)), 'app.example.com', `records of ${size} bytes`)
  }
  t.equal(nameIn(Buffer.concat([whole, Buffer.from('more')])), 'app.example.com')
})

t.test('what is no ClientHello is refused by an error, and by nothing worse', async (t) => {
  t.throws(() => nameIn(Buffer.from('GET / HTTP/1.1\r\n')))
  const whole = await hello({ servername: 'app.example.com' })
  for (let at = 0; at < whole.length; at++) {
    for (const byte of [0, 1, 255]) {
      const broken = Buffer.from(whole)
      broken[at] = byte
      try {
        nameIn(broken)
      } catch (error) {
        if (!(error instanceof Error)) {
          t.fail(`byte ${at} is ${byte}`)
        }
      }
    }
  }
})

t.test('the smallest records, byte by byte, cost by their number', async (t) => {
  /** Bytes that are copied for a message padded to this size. */
  const copied = async (size: number): Promise<number> => {
    const whole = await hello({ servername: 'app.example.com' })
    const message = whole.subarray(5)
    const padded = Buffer.concat([message, Buffer.alloc(size - message.length)])
    padded.writeUIntBE(size - 4, 1, 3)
    const all = inRecords(Buffer.concat([Buffer.alloc(5), padded]), 1)
    const concat = Buffer.concat.bind(Buffer)
    let bytes = 0
    Buffer.concat = (list, length) => {
      const made = concat(list, length)
      bytes += made.length
      return made
    }
    try {
      const read = nameReader()
      for (let end = 1; end < all.length; end++) {
        if (read(all.subarray(0, end)) !== null) {
          throw new Error(`said something after ${end} bytes`)
        }
      }
      t.equal(read(all), 'app.example.com')
    } finally {
      Buffer.concat = concat
    }
    return bytes
  }
  const [small, large] = [await copied(700), await copied(2800)]
  t.ok(large < 5 * small, `${large} and ${small} bytes`)
})

/** What a TLS client says first (RFC 8446, 4.1.2), as far as it tells whom the client wants. */

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const RECORD_HEAD = 5
const HANDSHAKE_HEAD = 4
/** Version and random. */
const FIXED = 34

/**
 * The message without the records that it came in; null while not all of it is here. Throws when
 * it is none.
 */
function unwrap(data: Buffer): Buffer | null {
  const parts: Buffer[] = []
  let size = 0
  let at = 0
  while (at + RECORD_HEAD <= data.length) {
    const end = at + RECORD_HEAD + data.readUInt16BE(at + 3)
    if (data[at] !== HANDSHAKE) {
      throw new Error('no TLS')
    }
    const part = data.slice(at + RECORD_HEAD, end)
    parts.push(part)
    size += part.length
    const message = parts.length === 1 ? part : Buffer.concat(parts, size)
    if (size >= HANDSHAKE_HEAD && size >= HANDSHAKE_HEAD + message.readUIntBE(1, 3)) {
      return message
    }
    at = end
  }
  return null
}

/** Where the list of extensions begins. */
function extensionsAt(message: Buffer): number {
  const session = HANDSHAKE_HEAD + FIXED
  const ciphers = session + 1 + message.readUInt8(session)
  const compressions = ciphers + 2 + message.readUInt16BE(ciphers)
  return compressions + 1 + message.readUInt8(compressions)
}

/**
 * The name that a client asks for, '' for none; null while not all of what it says is here.
 * Throws when that is no ClientHello.
 */
export function nameIn(data: Buffer): string | null {
  const message = unwrap(data)
  if (message === null) {
    return null
  }
  let at = extensionsAt(message)
  if (message[0] !== CLIENT_HELLO || at >= message.length) {
    return ''
  }
  const end = at + 2 + message.readUInt16BE(at)
  at += 2
  while (at < end) {
    const length = message.readUInt16BE(at + 2)
    // A list of one name, of the one kind that there is.
    if (message.readUInt16BE(at) === SERVER_NAME) {
      const first = at + 9
      return message.slice(first, first + message.readUInt16BE(at + 7)).toString()
    }
    at += 4 + length
  }
  return ''
}

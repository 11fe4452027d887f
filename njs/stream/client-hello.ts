/** What a TLS client says first (RFC 8446, 4.1.2), as far as it tells whom the client wants. */

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const RECORD_HEAD = 5
const HANDSHAKE_HEAD = 4
/** Version and random. */
const FIXED = 34

/**
 * Takes all that a client has said so far, each time that more is here. Answers the message without
 * the records that it came in; null while not all of it is here. Throws when it is none. It goes on
 * where it was, so a message in many small records costs no more than its length.
 */
function messageReader(): (data: Buffer) => Buffer | null {
  const parts: Buffer[] = []
  let size = 0
  let needed = Infinity
  let at = 0
  return (data) => {
    while (at + RECORD_HEAD <= data.length) {
      if (data[at] !== HANDSHAKE) {
        throw new Error('no TLS')
      }
      const end = at + RECORD_HEAD + data.readUInt16BE(at + 3)
      const part = data.slice(at + RECORD_HEAD, end)
      const all = size + part.length
      if (needed === Infinity && all >= HANDSHAKE_HEAD) {
        needed = HANDSHAKE_HEAD + Buffer.concat(parts.concat([part]), all).readUIntBE(1, 3)
      }
      if (all >= needed) {
        return Buffer.concat(parts.concat([part]), all)
      }
      if (end > data.length) {
        return null
      }
      parts.push(Buffer.from(part))
      size = all
      at = end
    }
    return null
  }
}

/** Where the list of extensions begins. */
function extensionsAt(message: Buffer): number {
  const session = HANDSHAKE_HEAD + FIXED
  const ciphers = session + 1 + message.readUInt8(session)
  const compressions = ciphers + 2 + message.readUInt16BE(ciphers)
  return compressions + 1 + message.readUInt8(compressions)
}

/**
 * The name that a client asks for, from all that it has said so far; '' for none, null while not
 * all of it is here. Throws when that is no ClientHello.
 */
export function nameReader(): (data: Buffer) => string | null {
  const read = messageReader()
  return (data) => {
    const message = read(data)
    return message === null ? null : nameIn(message)
  }
}

function nameIn(message: Buffer): string {
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

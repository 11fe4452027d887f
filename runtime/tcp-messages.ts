/** Messages over TCP that are preceded by their length in two bytes, as DNS has them. */
import type { Socket } from 'node:net'

export interface MessagesOptions {
  /** Of one message, in bytes, length included; who announces more is disconnected. */
  mostBytes: number
  /** Milliseconds of silence after which a connection is closed. */
  idleMs: number
  /** What goes back; undefined: nothing. It may destroy the socket. */
  answer: (message: Buffer) => Buffer | undefined
}

/**
 * Answers what comes at a socket, in any pieces, until it is closed. Each connection gets one
 * answer in a turn of the event loop, so that no number of questions holds up the rest of the
 * process. Nobody is listened to before it was answered, and has read that.
 */
export function serveMessages(socket: Socket, options: MessagesOptions): void {
  let pending: Buffer = Buffer.alloc(0)
  const work = (): void => {
    if (socket.destroyed) {
      return
    }
    const end = pending.length < 2 ? undefined : 2 + pending.readUInt16BE(0)
    if (end !== undefined && end > options.mostBytes) {
      socket.destroy()
    } else if (end === undefined || pending.length < end) {
      socket.resume()
    } else {
      const reply = options.answer(pending.subarray(2, end))
      pending = pending.subarray(end)
      if (reply === undefined || socket.write(withLength(reply))) {
        workLater()
      } else {
        socket.once('drain', workLater)
      }
    }
  }
  const workLater = (): void => void setImmediate(work)
  socket.setTimeout(options.idleMs, () => socket.destroy())
  // The other side hung up; 'close' follows.
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    socket.pause()
    pending = Buffer.concat([pending, chunk])
    work()
  })
}

/** A message as it goes over TCP. */
export function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

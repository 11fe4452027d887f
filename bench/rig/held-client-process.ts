// Clients of answers that do not end, many in one process.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { answerParent } from '../../lab/load/child.js'
import { headOf } from './held.js'
import type { ClientQuestion, Hold } from './held.js'

/** So many are being opened at a time: no queue of a listening socket is longer. */
const OPENING = 200
/** Each address of a client has its own ephemeral ports. */
const ADDRESSES = 50

const held = new Set<Socket>()
/** How many have been heard the newest text. */
let heard = 0

/** Resolves when the first word of the answer is there. */
function open(hold: Hold, number: number): Promise<void> {
  const localAddress = `127.9.${number % ADDRESSES}.1`
  const socket = connect({ host: '127.0.0.1', port: hold.port, localAddress, noDelay: true })
  return new Promise((resolve, reject) => {
    let received = ''
    const fail = (error: Error): void => reject(new Error(`${held.size} held: ${error.message}`))
    socket.once('connect', () => socket.write(headOf(hold)))
    socket.on('error', fail)
    socket.on('close', () => {
      held.delete(socket)
      fail(new Error(`closed after ${JSON.stringify(received.slice(0, 60))}`))
    })
    socket.on('data', (chunk) => {
      if (held.has(socket)) {
        heard += 1
        return
      }
      received += chunk.toString('latin1')
      if (!received.includes('hello')) {
        return
      }
      held.add(socket)
      resolve()
    })
  })
}

async function openAll(hold: Hold): Promise<void> {
  heard = 0
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < hold.count) {
      await open(hold, next++)
    }
  }
  await Promise.all(Array.from({ length: OPENING }, lane))
}

/** Without a wait for the other side, which would keep the port. */
async function closeAll(): Promise<void> {
  const ends = [...held].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  for (const socket of held) {
    socket.resetAndDestroy()
  }
  await Promise.all(ends)
}

answerParent(async (body) => {
  const question = body as ClientQuestion
  if (question.type === 'open') {
    await openAll(question)
  } else if (question.type === 'close') {
    await closeAll()
  }
  return { held: held.size, heard }
})

// An address that neither accepts nor refuses: a listener that never accepts, with its queue
// filled.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const LISTENER = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    // Held up for good, so that nothing is accepted.
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 0)
  })`

export async function blockedAddress(t: { teardown(fn: () => unknown): void }): Promise<string> {
  const worker = new Worker(LISTENER, { eval: true })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const sockets: Socket[] = []
  t.teardown(async () => {
    for (const socket of sockets) {
      socket.destroy()
    }
    await worker.terminate()
  })
  // The queue is full once a connection is not made at once.
  for (let waiting = 0; waiting < 2;) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    const made = new Promise((resolve) => socket.once('connect', () => resolve(true)))
    if ((await Promise.race([made, sleep(200, false)])) === false) {
      waiting += 1
    }
  }
  return `127.0.0.1:${port}`
}

/** How many connections to an IPv4 address have been begun and are neither taken nor refused. */
export function waitingFor(address: string): number {
  const port = Number(address.slice(address.lastIndexOf(':') + 1))
  const there = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const SYN_SENT = '02'
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => remote?.endsWith(there) === true && state === SYN_SENT).length
}

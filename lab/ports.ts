/** Free ports of this machine. */
import { createServer } from 'node:net'
import type { Server } from 'node:net'

/** Below the range the kernel gives to outgoing connections, which would take a port back. */
const FIRST = 10_000
const LAST = 32_000
/**
 * A process has so many for itself, by listening at the first of them until it ends: a port that
 * only was free when it was looked at may be given to a test of another process before it is used.
 */
const BLOCK = 500

let next = 0
let end = 0

/**
 * A TCP port on which nothing listens, never given twice in one process, nor to two processes at a
 * time.
 */
export function freePort(): Promise<number> {
  return freePortRange(1)
}

/** The first of `count` free ports in a row, fewer than a block has. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    if (next + count > end) {
      const first = await claimBlock()
      next = first + 1
      end = first + BLOCK
    }
    const ports = Array.from({ length: count }, (_, index) => next + index)
    next += count
    const free = await Promise.all(ports.map(isFree))
    if (!free.includes(false)) {
      return ports[0] ?? 0
    }
  }
}

async function claimBlock(): Promise<number> {
  for (;;) {
    const block = Math.floor((Math.random() * (LAST - FIRST)) / BLOCK)
    const first = FIRST + block * BLOCK
    if (await canListen(createServer().unref(), first)) {
      return first
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const free = await canListen(server, port)
  if (free) {
    await new Promise((resolve) => server.close(resolve))
  }
  return free
}

function canListen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, exclusive: true }, () => resolve(true))
  })
}

import { createServer } from 'node:net'

/** Below the range the kernel gives to outgoing connections, which would take a port back. */
const FIRST = 10_000
const LAST = 32_000

const given = new Set<number>()

/** A TCP port on which nothing listens, never given twice in one process. */
export function freePort(): Promise<number> {
  return freePortRange(1)
}

/** The first of `count` free ports in a row. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * (LAST - FIRST - count))
    const ports = Array.from({ length: count }, (_, index) => first + index)
    if (ports.some((port) => given.has(port))) continue
    const free = await Promise.all(ports.map(isFree))
    if (free.includes(false)) continue
    for (const port of ports) given.add(port)
    return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A TCP proxy that can be cut, stalled and healed. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

interface Pair {
  client: Socket
  server: Socket
}

/**
 * Stands between a client and a server on loopback, and makes the link as bad as a test wants it.
 */
export class TcpProxy {
  readonly #targetPort: number
  readonly #pairs = new Set<Pair>()
  #listener = createServer()
  #port = 0
  #refusing = false
  #holding = false
  #delayMs = 0

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort)
    await proxy.#listen()
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** Resets what is open; what comes is refused at once until `heal`. */
  cut(): void {
    this.#refusing = true
    this.reset()
  }

  /** Resets what is open; what comes is let through. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
    this.#pairs.clear()
  }

  /** Lets connections be, and nothing through them, in neither direction, until `heal`. */
  blackhole(): void {
    this.#holding = true
    for (const { client, server } of this.#pairs) {
      client.pause()
      server.pause()
    }
  }

  /** Every piece, in either direction, takes this much longer. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  heal(): void {
    this.#refusing = false
    this.#holding = false
    for (const { client, server } of this.#pairs) {
      client.resume()
      server.resume()
    }
  }

  async stop(): Promise<void> {
    this.cut()
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  async #listen(): Promise<void> {
    this.#listener.on('connection', (client) => this.#join(client))
    this.#listener.listen(0, '127.0.0.1')
    await once(this.#listener, 'listening')
    this.#port = (this.#listener.address() as AddressInfo).port
  }

  #join(client: Socket): void {
    if (this.#refusing) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    const server = connect(this.#targetPort, '127.0.0.1')
    const pair = { client, server }
    this.#pairs.add(pair)
    this.#pass(client, server, pair)
    this.#pass(server, client, pair)
    if (this.#holding) {
      client.pause()
      server.pause()
    }
  }

  #pass(from: Socket, to: Socket, pair: Pair): void {
    const later = (work: () => void) => {
      if (this.#delayMs === 0) {
        work()
      } else {
        setTimeout(work, this.#delayMs)
      }
    }
    from.setNoDelay(true)
    from.on('data', (chunk) => later(() => to.writable && to.write(chunk)))
    from.on('end', () => later(() => to.end()))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#pairs.delete(pair)
      if (!this.#holding) {
        later(() => to.destroy())
      }
    })
  }
}

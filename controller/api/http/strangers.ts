/**
 * Connections over TCP on which nobody has shown a token yet. They are few and short, so that they
 * keep nobody out who has one, and never take the files that the unix socket needs.
 */
import type { Server, Socket } from 'node:net'
import type { Caller } from './auth.js'

export interface StrangerLimits {
  /** So many at once; beyond, the one that was silent for longest makes room. */
  most: number
  /** For so long each may be silent. */
  silentMs: number
}

const LIMITS: StrangerLimits = { most: 256, silentMs: 10_000 }

interface Stranger {
  socket: Socket
  timer: NodeJS.Timeout
}

export class Strangers {
  readonly #limits: StrangerLimits
  /** By their address and port, for TLS has another socket; who was silent for longest is first. */
  readonly #open = new Map<string, Stranger>()

  constructor(limits = LIMITS) {
    this.#limits = limits
  }

  /** From now on, of this listener's connections. */
  watch(server: Server): void {
    server.on('connection', (socket) => this.#take(socket))
  }

  /** After each request that was let in. */
  heard(socket: Socket, caller: Caller): void {
    const name = nameOf(socket)
    const stranger = this.#open.get(name)
    if (stranger === undefined) {
      return
    }
    this.#open.delete(name)
    if (caller === 'public') {
      stranger.timer.refresh()
      this.#open.set(name, stranger)
    } else {
      clearTimeout(stranger.timer)
    }
  }

  #take(socket: Socket): void {
    const name = nameOf(socket)
    const timer = setTimeout(() => socket.destroy(), this.#limits.silentMs).unref()
    this.#open.set(name, { socket, timer })
    socket.once('close', () => {
      clearTimeout(timer)
      if (this.#open.get(name)?.socket === socket) {
        this.#open.delete(name)
      }
    })
    if (this.#open.size > this.#limits.most) {
      const [[oldest, stranger] = []] = this.#open
      this.#open.delete(oldest ?? '')
      stranger?.socket.destroy()
    }
  }
}

function nameOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

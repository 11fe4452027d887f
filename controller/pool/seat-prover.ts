/** Asks nginx who is in its seats, while some are to be proven. */
import { request } from 'node:http'
import { CONNECTED_HEADER } from '../../contract/seat.js'
import type { Seats } from './seats.js'

export interface SeatProverOptions {
  seats: Seats
  /** Of the server of stream{} that connects to a peer to find out whether it takes connections. */
  socketPath: string
  /** More seats are proven. */
  onProven: () => void
}

const EVERY_MS = 250
/** nginx gives up connecting before that. */
const TIMEOUT_MS = 10_000

export class SeatProver {
  readonly #options: SeatProverOptions
  #timer: NodeJS.Timeout | undefined
  #proving: Promise<void> | undefined

  constructor(options: SeatProverOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#proving ??= this.#prove().finally(() => {
        this.#proving = undefined
      })
    }, EVERY_MS)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#proving
  }

  /** Never rejects: who is not proven is asked first. */
  async #prove(): Promise<void> {
    const { seats, socketPath, onProven } = this.#options
    if (await seats.prove((seat) => connectedTo(socketPath, seat))) {
      onProven()
    }
  }
}

/** The address that nginx connects to for this seat; undefined where it does not. */
function connectedTo(socketPath: string, seat: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: `/${seat}`, timeout: TIMEOUT_MS, agent: false })
    asked.on('response', (response) => {
      const address = response.headers[CONNECTED_HEADER.toLowerCase()]
      resolve(typeof address === 'string' ? address : undefined)
      asked.destroy()
    })
    asked.on('timeout', () => asked.destroy())
    // Refused, or nginx is not there: it is asked again.
    asked.on('error', () => resolve(undefined))
    asked.on('close', () => resolve(undefined))
    asked.end()
  })
}

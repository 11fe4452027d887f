/** Asks without a pause, and records who answered when. */
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../../lab/load/ledger.js'
import { Connection } from '../../lab/load/connection.js'
import type { Target } from '../../lab/load/connection.js'

export interface Sighting {
  /** What answered: the backend's own name. */
  who: string
  startMs: number
  endMs: number
}

/**
 * Connections that keep asking who serves, so that it is known when a change was first and last
 * seen.
 */
export class Prober {
  #sightings: Sighting[] = []
  #errors = 0
  #stopping = false
  readonly #loops: Promise<void>[]

  constructor(target: Target, host: string, connections: number) {
    this.#loops = Array.from({ length: connections }, () =>
      this.#loop(new Connection(target), host),
    )
  }

  /** Answers since the last call, by the time of their end. */
  take(): Sighting[] {
    const taken = this.#sightings
    this.#sightings = []
    return taken
  }

  /** Resolves with the number of requests that failed. */
  async stop(): Promise<number> {
    this.#stopping = true
    await Promise.all(this.#loops)
    return this.#errors
  }

  async #loop(connection: Connection, host: string): Promise<void> {
    const head = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    while (!this.#stopping) {
      const startMs = monotonicMs()
      try {
        const answer = await connection.request(head)
        const who = answer.status === 200 ? (answer.body.split(' ')[1] ?? '') : ''
        this.#sightings.push({ who, startMs, endMs: monotonicMs() })
        if (answer.status !== 200) {
          this.#errors += 1
        }
      } catch {
        this.#errors += 1
      }
      await sleep(1)
    }
    connection.close()
  }
}

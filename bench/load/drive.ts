/** Requests over kept connections, and what they cost the workers that serve them. */
import { monotonicMs } from '../../lab/load/ledger.js'
import { Connection } from '../../lab/load/connection.js'
import type { Target } from '../../lab/load/connection.js'
import { cpuNs } from '../../lab/load/processes.js'

/**
 * Kept-open connections that send the same GET again and again, each one as soon as it has the last
 * answer.
 */
export class Driver {
  readonly #connections: Connection[]
  readonly #head: string

  constructor(target: Target, host: string, connections: number) {
    this.#connections = Array.from({ length: connections }, () => new Connection(target))
    this.#head = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  }

  /** Milliseconds for `requests` of them. Any answer but 200 fails it: what errs looks fast. */
  async run(requests: number): Promise<number> {
    const startMs = monotonicMs()
    let left = requests
    const send = async (connection: Connection): Promise<void> => {
      while (left-- > 0) {
        const answer = await connection.request(this.#head)
        if (answer.status !== 200) {
          throw new Error(`${answer.status}: ${answer.body}`)
        }
      }
    }
    await Promise.all(this.#connections.map(send))
    return monotonicMs() - startMs
  }

  /** Processor time that `pids` took for each request, in nanoseconds. */
  async cpuPerRequest(requests: number, pids: readonly number[]): Promise<number> {
    const spent = (): number => pids.reduce((total, pid) => total + cpuNs(pid), 0)
    const before = spent()
    await this.run(requests)
    return (spent() - before) / requests
  }

  close(): void {
    for (const connection of this.#connections) {
      connection.close()
    }
  }
}

/** Does the same `times` times, `lanes` of them at a time. */
export async function repeat(
  times: number,
  lanes: number,
  once: () => Promise<unknown>,
): Promise<void> {
  let left = times
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      await once()
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/**
 * Runs each of `measures` once in every round, by turns, so that what slows the machine slows all
 * alike.
 */
export async function interleave(
  rounds: number,
  measures: readonly (() => Promise<number>)[],
): Promise<number[][]> {
  const found = measures.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < measures.length; step++) {
      const index = (round + step) % measures.length
      const value = await measures[index]?.()
      if (value !== undefined) {
        found[index]?.push(value)
      }
    }
  }
  return found
}

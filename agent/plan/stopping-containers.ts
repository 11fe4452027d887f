/** Which containers were sent their stop signal, and which of them were not stopped by it. */
import type { Logger } from '../../runtime/logger.js'
import { runOf } from '../engine/container.js'
import type { Container } from '../engine/container.js'

/** From the end of a container's grace until nobody can be about to kill it. */
const STOP_MARGIN_MS = 2000

export class StoppingContainers {
  readonly #log: Logger
  /** Run → when it was sent the signal. */
  readonly #sentAtMs = new Map<string, number>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** The run was sent its stop signal now. */
  add(run: string): void {
    this.#sentAtMs.set(run, Date.now())
  }

  runs(): Set<string> {
    return new Set(this.#sentAtMs.keys())
  }

  /**
   * A container that is still there when the engine would have killed it was not stopped: it serves
   * again. Returns the runs of these, and the milliseconds until the next one is looked at.
   */
  endThose(containers: Iterable<Container>): { over: string[]; nextMs: number | undefined } {
    const over: string[] = []
    const leftMs: number[] = []
    for (const container of containers) {
      const run = runOf(container)
      const atMs = this.#sentAtMs.get(run)
      if (atMs === undefined || container.status === 'stopped') {
        continue
      }
      const { name, stopGraceMs } = container
      const endsInMs = atMs + stopGraceMs + STOP_MARGIN_MS - Date.now()
      if (endsInMs > 0) {
        leftMs.push(endsInMs)
        continue
      }
      this.#sentAtMs.delete(run)
      over.push(run)
      const fields = { container: name, stopGraceMs }
      this.#log.warn(fields, 'still running after its stop timeout; it gets new requests again')
    }
    return { over, nextMs: leftMs.length === 0 ? undefined : Math.min(...leftMs) }
  }

  /** Forgets all other runs. */
  retain(runs: ReadonlySet<string>): void {
    for (const run of this.#sentAtMs.keys()) {
      if (!runs.has(run)) {
        this.#sentAtMs.delete(run)
      }
    }
  }
}

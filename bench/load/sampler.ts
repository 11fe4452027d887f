/** How many processes an nginx has, and their memory, over time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { totalPss } from '../../lab/load/processes.js'

const EVERY_MS = 50

export interface Sampled {
  restPss: number
  peakPss: number
  restProcesses: number
  mostProcesses: number
}

/** Watches how many processes an nginx has, and the memory of all of them together. */
export class Sampler {
  readonly #pids: () => number[]
  readonly #done: Promise<void>
  readonly #sampled: Sampled
  #stopping = false

  constructor(pids: () => number[]) {
    this.#pids = pids
    const [processes, pss] = [pids().length, totalPss(pids())]
    const sampled = {
      restPss: pss,
      peakPss: pss,
      restProcesses: processes,
      mostProcesses: processes,
    }
    this.#sampled = sampled
    this.#done = this.#run()
  }

  async stop(): Promise<Sampled> {
    this.#stopping = true
    await this.#done
    return this.#sampled
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const pids = this.#pids()
      this.#sampled.peakPss = Math.max(this.#sampled.peakPss, totalPss(pids))
      this.#sampled.mostProcesses = Math.max(this.#sampled.mostProcesses, pids.length)
      await sleep(EVERY_MS)
    }
  }
}

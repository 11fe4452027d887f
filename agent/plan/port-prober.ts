/** Tries a TCP connection to each target until one is taken: a container may not listen yet. */
import { connect } from 'node:net'
import { Backoff, pause } from '../../runtime/retry.js'
import { targetKey } from './plan.js'
import type { ProbeTarget } from './plan.js'

const CONNECT_MS = 1000
const FIRST_MS = 20
const MOST_MS = 1000

/** Whether a connection was taken within `timeoutMs`. Never rejects: a failure is a no. */
export function answers(host: string, port: number, timeoutMs = CONNECT_MS): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeoutMs, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

export class PortProber {
  readonly #onAnswer: (target: ProbeTarget) => void
  readonly #running = new Map<string, AbortController>()

  constructor(onAnswer: (target: ProbeTarget) => void) {
    this.#onAnswer = onAnswer
  }

  /** From now on exactly these are tried; each only until its first answer. */
  follow(targets: readonly ProbeTarget[]): void {
    const keys = new Set(targets.map(targetKey))
    for (const [key, controller] of this.#running) {
      if (!keys.has(key)) {
        controller.abort()
        this.#running.delete(key)
      }
    }
    for (const target of targets) {
      this.#start(target)
    }
  }

  stop(): void {
    this.follow([])
  }

  #start(target: ProbeTarget): void {
    const key = targetKey(target)
    if (this.#running.has(key)) {
      return
    }
    const controller = new AbortController()
    this.#running.set(key, controller)
    // Neither `answers` nor an aborted `pause` rejects.
    void this.#tryUntilAnswer(target, controller.signal)
  }

  async #tryUntilAnswer(target: ProbeTarget, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: FIRST_MS, mostMs: MOST_MS })
    while (!signal.aborted) {
      const answered = await answers(target.host, target.port)
      if (answered && !signal.aborted) {
        this.#running.delete(targetKey(target))
        this.#onAnswer(target)
        return
      }
      await pause(backoff.nextMs(), signal)
    }
  }
}

/** Tries a TCP connection to each target until one is taken: a container may not listen yet. */
import { connect } from 'node:net'
import { Backoff, pause } from '../../runtime/retry.js'
import { targetKey } from './plan.js'
import type { ProbeTarget } from './plan.js'

const CONNECT_MS = 1000
const FIRST_MS = 20
const MOST_MS = 1000
/**
 * A proxy such as docker-proxy takes a connection before it knows whether the container does, and
 * closes it at once when not. A connection that is open after this time was taken by the container.
 */
const HELD_MS = 100
/** After this a port that does not answer is worth a warning. */
const PATIENCE_MS = 15_000

/**
 * Whether a connection was accepted within `timeoutMs`, and stayed open. Never rejects: a failure
 * is a no.
 */
export function answers(host: string, port: number, timeoutMs = CONNECT_MS): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    let timer = setTimeout(() => end(false), timeoutMs)
    const end = (answer: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => {
      clearTimeout(timer)
      timer = setTimeout(() => end(true), HELD_MS)
    })
    socket.once('data', () => end(true))
    socket.once('end', () => end(false))
    socket.once('error', () => end(false))
  })
}

export interface ProberHandlers {
  /** It listens. */
  onAnswer(target: ProbeTarget): void
  /** Its registered address is not reached from this machine. Whether it listens may be unknown. */
  onUnreachable(target: ProbeTarget, listens: boolean): void
}

export class PortProber {
  readonly #handlers: ProberHandlers
  readonly #running = new Map<string, AbortController>()

  constructor(handlers: ProberHandlers) {
    this.#handlers = handlers
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
    const warnAtMs = performance.now() + PATIENCE_MS
    let warned = false
    while (!signal.aborted) {
      const { listens, isReached } = await probe(target)
      if (signal.aborted) {
        return
      }
      if (listens) {
        this.#running.delete(targetKey(target))
        if (!isReached) {
          this.#handlers.onUnreachable(target, true)
        }
        this.#handlers.onAnswer(target)
        return
      }
      if (!warned && performance.now() >= warnAtMs) {
        warned = true
        this.#handlers.onUnreachable(target, false)
      }
      await pause(backoff.nextMs(), signal)
    }
  }
}

/** The container's own address shows whether it listens, the registered one whether we reach it. */
async function probe(target: ProbeTarget): Promise<{ listens: boolean; isReached: boolean }> {
  const { direct } = target
  const [isReached, listens] = await Promise.all([
    answers(target.host, target.port),
    direct === undefined ? false : answers(direct.host, direct.port),
  ])
  return { listens: isReached || listens, isReached }
}

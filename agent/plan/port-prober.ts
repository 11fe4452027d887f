/** Tries a TCP connection to each target until one is taken: a container may not listen yet. */
import { connect } from 'node:net'
import { systemCode } from '../../runtime/errors.js'
import { Backoff, pause } from '../../runtime/retry.js'
import { targetKey } from './probe-target.js'
import type { ProbeTarget } from './probe-target.js'

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

/** `refused`: nobody listens there. `silent`: the address is not reached, so nothing is known. */
export type PortAnswer = 'taken' | 'refused' | 'silent'

/**
 * Whether a connection was accepted within `timeoutMs`, and stayed open. Never rejects.
 */
export function answers(host: string, port: number, timeoutMs = CONNECT_MS): Promise<PortAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    let timer = setTimeout(() => end('silent'), timeoutMs)
    let isConnected = false
    const end = (answer: PortAnswer) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => {
      isConnected = true
      clearTimeout(timer)
      timer = setTimeout(() => end('taken'), HELD_MS)
    })
    socket.once('data', () => end('taken'))
    socket.once('end', () => end('refused'))
    socket.once('error', (error) => {
      end(isConnected || systemCode(error) === 'ECONNREFUSED' ? 'refused' : 'silent')
    })
  })
}

/** What is known of a port whose registered address is not reached from this machine. */
export type Unreached = 'listens' | 'refused' | 'unknown'

export interface ProberHandlers {
  /** It listens, or nobody here can know whether it does. */
  onAnswer(target: ProbeTarget): void
  /** Comes before `onAnswer`, where both do. */
  onUnreached(target: ProbeTarget, what: Unreached): void
  /** Its registered address is reached. */
  onReached(target: ProbeTarget): void
}

export interface ProberOptions {
  /** Milliseconds after which a port that does not answer is reported. */
  patienceMs?: number
}

export class PortProber {
  readonly #handlers: ProberHandlers
  readonly #patienceMs: number
  readonly #running = new Map<string, AbortController>()

  constructor(handlers: ProberHandlers, { patienceMs = PATIENCE_MS }: ProberOptions = {}) {
    this.#handlers = handlers
    this.#patienceMs = patienceMs
  }

  /** From now on exactly these are tried, each until its registered address is reached. */
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
    void this.#tryUntilReached(target, controller.signal)
  }

  /** Never rejects. No Loop: the first success ends it. */
  async #tryUntilReached(target: ProbeTarget, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: FIRST_MS, mostMs: MOST_MS })
    const patientUntilMs = performance.now() + this.#patienceMs
    let reported: Unreached | undefined
    while (!signal.aborted) {
      const found = await probe(target)
      if (signal.aborted) {
        return
      }
      if (found === 'reached') {
        this.#running.delete(targetKey(target))
        this.#handlers.onReached(target)
        this.#handlers.onAnswer(target)
        return
      }
      const isWorthIt = found === 'listens' || performance.now() >= patientUntilMs
      // What listened once is not put out of service by a probe: gateways see to that.
      if (isWorthIt && found !== reported && reported !== 'listens') {
        reported = found
        this.#report(target, found)
      }
      await pause(backoff.nextMs(), signal)
    }
  }

  #report(target: ProbeTarget, found: Unreached): void {
    this.#handlers.onUnreached(target, found)
    if (found !== 'refused') {
      this.#handlers.onAnswer(target)
    }
  }
}

/** The container's own address shows whether it listens, the registered one whether we reach it. */
async function probe({ host, port, direct }: ProbeTarget): Promise<'reached' | Unreached> {
  const [registered, own] = await Promise.all([
    answers(host, port),
    direct === undefined ? 'silent' : answers(direct.host, direct.port),
  ])
  if (registered === 'taken') {
    return 'reached'
  }
  if (own === 'taken') {
    return 'listens'
  }
  return registered === 'silent' && own === 'silent' ? 'unknown' : 'refused'
}

/**
 * A lease whose time another server keeps. It counts as lost only when that server says so. An etcd
 * or a controller that was away gives each lease its full time again when it returns, so the keys
 * may still be there after an outage of any length.
 */
import { performance } from 'node:perf_hooks'
import { SluiceError } from '../runtime/errors.js'
import { Backoff, pause } from '../runtime/retry.js'
import type { Lease } from './registry.js'

export interface RemoteLeaseOptions {
  id: string
  ttlMs: number
  keepAlive: boolean
  /** Aborts when the registry is closed. */
  closing: AbortSignal
  /** Gives it its full time again. Rejects with `not_found` when it is gone. */
  renew(): Promise<void>
  /** How long it surely lives on, without renewing it. Rejects with `not_found` when it is gone. */
  remainingMs(): Promise<number>
  /** Ends it; one that is gone already is no error. */
  revoke(): Promise<void>
}

/** Not to ask all the time while a lease that others renew nears its end. */
const LEAST_WAIT_MS = 250

export class RemoteLease implements Lease {
  readonly id: string
  readonly lost: Promise<void>
  readonly #options: RemoteLeaseOptions
  readonly #stop = new AbortController()
  readonly #ending: AbortSignal
  #lose: () => void = () => undefined
  #renewedAtMs = performance.now()

  constructor(options: RemoteLeaseOptions) {
    this.id = options.id
    this.#options = options
    this.#ending = AbortSignal.any([this.#stop.signal, options.closing])
    this.lost = new Promise((resolve) => (this.#lose = resolve))
    void this.#follow()
  }

  async renew(): Promise<void> {
    try {
      await this.#options.renew()
      this.#renewedAtMs = performance.now()
    } catch (error) {
      this.#loseIfGone(error)
      throw error
    }
  }

  async release(): Promise<void> {
    this.#stop.abort()
  }

  /** When it rejects, nobody renews the lease any more, so that it ends by itself. */
  async revoke(): Promise<void> {
    this.#stop.abort()
    await this.#options.revoke()
  }

  /** Never rejects. No Loop: it ends with the registry, or when the lease is gone. */
  async #follow(): Promise<void> {
    const { ttlMs, keepAlive } = this.#options
    const backoff = new Backoff({ firstMs: 100, mostMs: 1000 })
    let waitMs = keepAlive ? ttlMs / 3 : ttlMs
    while (!this.#ending.aborted) {
      await pause(waitMs, this.#ending)
      if (this.#ending.aborted) {
        return
      }
      try {
        waitMs = keepAlive ? await this.#keep() : await this.#remainingMs()
        backoff.reset()
      } catch (error) {
        this.#loseIfGone(error)
        waitMs = backoff.nextMs()
      }
    }
  }

  async #keep(): Promise<number> {
    await this.renew()
    return this.#options.ttlMs / 3
  }

  async #remainingMs(): Promise<number> {
    const sinceMs = performance.now() - this.#renewedAtMs
    const leftMs = this.#options.ttlMs - sinceMs
    return Math.max(LEAST_WAIT_MS, leftMs > 0 ? leftMs : await this.#options.remainingMs())
  }

  #loseIfGone(error: unknown): void {
    const gone = error instanceof SluiceError && error.code === 'not_found'
    if (!gone || this.#ending.aborted) {
      return
    }
    this.#stop.abort()
    this.#lose()
  }
}

/**
 * Keeps a file of plain nginx configuration level with the desired state: when it is written. It is
 * tested before that, and written only when it changes.
 */
import { messageOf, systemCode } from '../../runtime/errors.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import { Generations } from './generations.js'
import type { GenerationsOptions } from './generations.js'

export interface Candidate {
  body: string
  revision: number
  /** Rejects when nginx would not take it. */
  check(): Promise<void>
}

export interface FallbackFileOptions extends GenerationsOptions {
  /** What the file should hold, as of now. */
  render(): Candidate
  /** Whether something that requests wait for has still to be done: the file comes after it. */
  isBusy?: () => boolean
  /** False while it is not known whether the desired state is to be believed. */
  isTrusted(): boolean
  /** The file in force is as it should be, for the first time or again. */
  onWritten(revision: number): void
  /** Changes within this time are written once. */
  debounceMs: number
  /** Never two writes within this. */
  minIntervalMs: number
  /** For how long a file is not replaced by one that is empty, the first time. */
  emptyHoldMs: number
  onError(step: string): void
}

/**
 * Nothing is pushed while a large file is made. So making it may take a twentieth of the time at
 * most.
 */
const COST_FACTOR = 20
/** For how long a file that is stale waits for what comes before it. */
const MOST_BUSY_MS = 5000
const BUSY_POLL_MS = 50
const RETRY = { firstMs: 500, mostMs: 30_000 }

export class FallbackFile {
  readonly #options: FallbackFileOptions
  readonly #generations: Generations
  readonly #loop: Loop
  #isOpen = false
  #isStale = false
  #body: string | undefined
  #revision = 0
  #firstAtMs: number | undefined
  #wroteAtMs = -Infinity
  #error: string | undefined
  #costMs = 0

  constructor(options: FallbackFileOptions) {
    this.#options = options
    this.#generations = new Generations(options)
    this.#loop = new Loop({
      round: (loop) => this.#round(loop),
      onError: (error) => this.#failed(error),
      retry: RETRY,
    })
  }

  /** Revision of the file in force that this process wrote or found equal; 0 before that. */
  get revision(): number {
    return this.#revision
  }

  /** Why the file is not as it should be, for people. */
  get error(): string | undefined {
    return this.#error
  }

  /** The desired state may be another one now. */
  offer(): void {
    this.#isStale = true
    this.#loop.bell.ring()
    this.#loop.start()
  }

  /** Writes what is waiting, once, without the debounce; gives up on an error. */
  async close(): Promise<void> {
    await this.#loop.close()
    if (this.#isStale && !this.#isHeld()) {
      await this.#write().catch((error: unknown) => this.#failed(error))
    }
  }

  async #round({ bell, signal }: Loop): Promise<void> {
    if (!this.#isOpen) {
      await this.#open()
    }
    await bell.wait(this.#isStale ? 0 : 60_000)
    if (!this.#isStale || signal.aborted) {
      return
    }
    await pause(this.#waitMs(), signal)
    await this.#whileBusy(signal)
    if (!signal.aborted && !this.#isHeld()) {
      await this.#write()
    }
  }

  /** To render a large table takes the event loop a while: what requests wait for comes first. */
  async #whileBusy(signal: AbortSignal): Promise<void> {
    const endsAtMs = performance.now() + MOST_BUSY_MS
    while (this.#options.isBusy?.() === true && performance.now() < endsAtMs && !signal.aborted) {
      await pause(BUSY_POLL_MS, signal)
    }
  }

  /** Until the next write, in milliseconds: changes are gathered, and writes are rare. */
  #waitMs(): number {
    const { debounceMs, minIntervalMs } = this.#options
    const intervalMs = Math.max(minIntervalMs, COST_FACTOR * this.#costMs)
    const sinceMs = this.#wroteAtMs + intervalMs - performance.now()
    return Math.max(debounceMs, sinceMs, this.#isHeld() ? 1000 : 0)
  }

  async #open(): Promise<void> {
    try {
      this.#body = await this.#generations.open()
    } catch (error) {
      this.#failed(error)
    }
    this.#isOpen = true
  }

  /** A registry without instances may have lost them. Then only the file still has them. */
  #isHeld(): boolean {
    if (!this.#options.isTrusted()) {
      return true
    }
    this.#firstAtMs ??= performance.now()
    const isYoung = performance.now() - this.#firstAtMs < this.#options.emptyHoldMs
    const { file } = this.#options
    const wasThere = this.#body !== undefined && !file.isEmpty(this.#body)
    return isYoung && this.#revision === 0 && wasThere && file.isEmpty(this.#options.render().body)
  }

  async #write(): Promise<void> {
    const { file, log } = this.#options
    this.#isStale = false
    const startedMs = performance.now()
    const candidate = this.#options.render()
    this.#costMs = performance.now() - startedMs
    const { body, revision } = candidate
    try {
      if (body !== this.#body) {
        await candidate.check()
        await this.#generations.replace(body, revision)
        this.#wroteAtMs = performance.now()
        log.info({ file: file.name, revision, bytes: body.length }, 'fallback file written')
      } else if (this.#revision === 0 && (await this.#generations.apply(body))) {
        this.#wroteAtMs = performance.now()
      }
    } catch (error) {
      this.#isStale = true
      throw error
    }
    this.#body = body
    this.#revision = Math.max(revision, 1)
    this.#error = undefined
    this.#options.onWritten(revision)
  }

  #failed(error: unknown): void {
    const { folder } = this.#options
    const message = messageOf(error)
    // A full disk, for one, is reported without a path.
    const isUnplaced = systemCode(error) !== undefined && !message.includes(folder)
    this.#error = isUnplaced ? `${message} (${folder})` : message
    this.#options.log.error(
      { file: this.#options.file.name, error: this.#error },
      'fallback file not written; the old one stays',
    )
    this.#options.onError(
      error instanceof Error && error.name === 'SluiceError' ? 'check' : 'write',
    )
  }
}

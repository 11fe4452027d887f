/**
 * Keeps a file of plain nginx configuration level with the desired state. It is tested before it is
 * written, written whole, and only when it changes.
 */
import { mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import { previousPath, recoverSealed, seal, sha256, unseal } from '../../runtime/sealed-file.js'
import { readIfThere, writeWhole } from '../../runtime/whole-file.js'
import type { FileAccess } from '../../runtime/whole-file.js'

export interface Candidate {
  body: string
  revision: number
  /** Rejects when nginx would not take it. */
  check(): Promise<void>
}

/** A file that nginx includes. */
export interface FallbackFile {
  name: string
  mode: number
  /** Whether this body says that there is nothing, which a registry that lost all would say too. */
  isEmpty(body: string): boolean
}

export interface FallbackOptions {
  folder: string
  /** Where the generation before and the marker are kept; nobody includes it. */
  stateFolder: string
  /** Owner and permissions, where they are not the usual ones. */
  access?: FileAccess
  file: FallbackFile
  log: Logger
  /** What the file should hold, as of now. */
  render(): Candidate
  /** Makes nginx read the new file. When it rejects, the old file is put back. */
  apply?: () => Promise<void>
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

const hasNoBlock = (body: string): boolean => !/^upstream /m.test(body)

export const UPSTREAMS_FILE: FallbackFile = {
  name: 'sluice-upstreams.conf',
  mode: 0o640,
  isEmpty: hasNoBlock,
}

/** For stream{}: a name that http{} does not include. */
export const STREAMS_FILE: FallbackFile = {
  name: 'stream-upstreams.conf',
  mode: 0o640,
  isEmpty: hasNoBlock,
}

/** With their keys. */
export const CERTIFICATES_FILE: FallbackFile = {
  name: 'sluice-certificates.conf',
  mode: 0o600,
  isEmpty: (body) => !body.includes('PRIVATE KEY'),
}

/**
 * Holds the checksum of the body that nginx was last seen to take, so that a restart reloads
 * nothing, and a crash before the reload is made up for.
 */
const markerOf = ({ name }: FallbackFile): string => `${name}.applied`
/**
 * Nothing is pushed while a large file is made. So making it may take a twentieth of the time at
 * most.
 */
const COST_FACTOR = 20
/** For how long a file that is stale waits for what comes before it. */
const MOST_BUSY_MS = 5000
const BUSY_POLL_MS = 50
const RETRY = { firstMs: 500, mostMs: 30_000 }

export type RecoverOptions = Pick<
  FallbackOptions,
  'folder' | 'stateFolder' | 'file' | 'access' | 'log'
>

/**
 * Puts the previous generation in the place of a file that is not what was written, so that nginx
 * can start from it; without a good one, the damaged file is put aside. Answers the body that is in
 * force.
 */
export async function recoverFallback({
  folder,
  stateFolder,
  file,
  access,
  log,
}: RecoverOptions): Promise<string | undefined> {
  const path = join(folder, file.name)
  const { content, wasDamaged, isPrevious } = await recoverSealed(path, file.mode, {
    stateFolder,
    ...(access && { access }),
  })
  if (wasDamaged) {
    log.error({ path, replaced: isPrevious }, 'fallback file is damaged')
  }
  if (isPrevious) {
    log.warn(
      { path, revision: content?.revision },
      'fallback file taken from the previous generation',
    )
  }
  return content?.body
}

export class Fallback {
  readonly #options: FallbackOptions
  readonly #loop: Loop
  #isOpen = false
  #isStale = false
  #body: string | undefined
  #revision = 0
  #firstAtMs: number | undefined
  #wroteAtMs = -Infinity
  #error: string | undefined
  #costMs = 0

  constructor(options: FallbackOptions) {
    this.#options = options
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
    const { folder, stateFolder } = this.#options
    try {
      await mkdir(folder, { recursive: true, mode: 0o750 })
      await mkdir(stateFolder, { recursive: true, mode: 0o700 })
      await this.#moveState()
      this.#body = await recoverFallback(this.#options)
    } catch (error) {
      this.#failed(error)
    }
    this.#isOpen = true
  }

  /** What stood beside the file before state had a folder of its own. */
  async #moveState(): Promise<void> {
    const { folder, stateFolder, file } = this.#options
    if (folder === stateFolder) {
      return
    }
    for (const name of [basename(previousPath(file.name)), markerOf(file)]) {
      const text = await readIfThere(join(folder, name))
      if (text !== undefined) {
        await writeWhole(join(stateFolder, name), text, file.mode)
        await rm(join(folder, name))
      }
    }
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
    const { folder, file, log } = this.#options
    this.#isStale = false
    const startedMs = performance.now()
    const candidate = this.#options.render()
    this.#costMs = performance.now() - startedMs
    const { body, revision } = candidate
    try {
      if (body !== this.#body) {
        await candidate.check()
        await this.#replace(join(folder, file.name), seal(body, revision), body)
        this.#wroteAtMs = performance.now()
        log.info({ file: file.name, revision, bytes: body.length }, 'fallback file written')
      } else if (this.#revision === 0) {
        await this.#apply(body)
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

  async #apply(body: string): Promise<void> {
    const { apply, stateFolder, file } = this.#options
    const marker = join(stateFolder, markerOf(file))
    if (apply !== undefined && (await readIfThere(marker)) !== sha256(body)) {
      await apply()
      this.#wroteAtMs = performance.now()
      await writeWhole(marker, sha256(body), file.mode)
    }
  }

  async #replace(path: string, text: string, body: string): Promise<void> {
    const { stateFolder, file, access } = this.#options
    const before = await readIfThere(path)
    if (before !== undefined && unseal(before) !== undefined) {
      await writeWhole(previousPath(path, stateFolder), before, file.mode)
    }
    await writeWhole(path, text, file.mode, access)
    try {
      await this.#apply(body)
    } catch (error) {
      if (before !== undefined) {
        await writeWhole(path, before, file.mode, access)
      }
      throw error
    }
  }

  #failed(error: unknown): void {
    this.#error = messageOf(error)
    this.#options.log.error(
      { file: this.#options.file.name, error: messageOf(error) },
      'fallback file not written; the old one stays',
    )
    this.#options.onError(
      error instanceof Error && error.name === 'SluiceError' ? 'check' : 'write',
    )
  }
}

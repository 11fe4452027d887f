/**
 * The configuration of lanes on disk, which nginx reads when it starts or is reloaded. Its files
 * belong together, so each generation is a folder, and `compiled/now` links to the one in force:
 *
 *     compiled/now → g1
 *     compiled/g0/{http,location,proxy,server}.conf
 *     compiled/g1/{http,location,proxy,server}.conf
 *
 * nginx includes them by a pattern, so none need be there.
 */
import { mkdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../runtime/logger.js'
import { messageOf, systemCode } from '../../runtime/errors.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import { readIfThere, writeWhole } from '../../runtime/whole-file.js'
import type { LaneFiles } from './lane-conf.js'

export interface LaneWriterOptions {
  home: string
  log: Logger
  /** What the files should hold now. */
  render(): LaneFiles
  /** Rejects when nginx would not take them. */
  check(): Promise<void>
  /** False while it is not known whether the desired state is to be believed. */
  isTrusted(): boolean
}

const NAMES = ['http', 'location', 'proxy', 'server'] as const
const GENERATIONS = ['g0', 'g1'] as const
/** Changes within this time are written once. */
const GATHER_MS = 1000
const RETRY = { firstMs: 1000, mostMs: 60_000 }

function folderOf(home: string): string {
  return join(home, 'compiled')
}

async function generationInForce(home: string): Promise<string | undefined> {
  return readlink(join(folderOf(home), 'now')).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') {
      return undefined
    }
    throw error
  })
}

async function isWritten(home: string, files: LaneFiles): Promise<boolean> {
  const now = await generationInForce(home)
  if (now === undefined) {
    return false
  }
  const texts = await Promise.all(
    NAMES.map((name) => readIfThere(join(folderOf(home), now, `${name}.conf`))),
  )
  return NAMES.every((name, i) => texts[i] === files[name])
}

/** Puts these files in force, all of them at once. */
async function putInForce(home: string, files: LaneFiles): Promise<void> {
  const folder = folderOf(home)
  const next = (await generationInForce(home)) === GENERATIONS[0] ? GENERATIONS[1] : GENERATIONS[0]
  await rm(join(folder, next), { recursive: true, force: true })
  await mkdir(join(folder, next), { recursive: true, mode: 0o755 })
  for (const name of NAMES) {
    await writeWhole(join(folder, next, `${name}.conf`), files[name], 0o644)
  }
  const link = join(folder, '.next')
  await rm(link, { force: true })
  await symlink(next, link)
  await rename(link, join(folder, 'now'))
}

export class LaneWriter {
  readonly #options: LaneWriterOptions
  readonly #loop: Loop
  #isStale = false
  #isWriting = false

  constructor(options: LaneWriterOptions) {
    this.#options = options
    this.#loop = new Loop({
      round: (loop) => this.#round(loop),
      // The old files stay: their gates are true by what they are named.
      onError: (error) =>
        options.log.error({ error: messageOf(error) }, 'the configuration of lanes is not written'),
      retry: RETRY,
    })
  }

  /** Whether what is in force has all that was offered. */
  get isWritten(): boolean {
    return !this.#isStale && !this.#isWriting
  }

  /** There may be other lanes now. */
  offer(): void {
    this.#isStale = true
    this.#loop.bell.ring()
    this.#loop.start()
  }

  /** Writes what waits, and resolves when it is in force. Rejects when nginx would not take it. */
  async write(): Promise<void> {
    const { home } = this.#options
    this.#isStale = false
    const files = this.#options.render()
    if (!(await isWritten(home, files))) {
      await this.#options.check()
      await putInForce(home, files)
      this.#options.log.info(
        'lanes are written; nginx takes them when it starts, or by "sluice compile"',
      )
    }
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  async #round({ bell, signal }: Loop): Promise<void> {
    await bell.wait(this.#isStale ? 0 : 60_000)
    await pause(GATHER_MS, signal)
    if (this.#isStale && !signal.aborted && this.#options.isTrusted()) {
      this.#isWriting = true
      await this.write()
        .catch((error: unknown) => {
          this.#isStale = true
          throw error
        })
        .finally(() => (this.#isWriting = false))
    }
  }
}

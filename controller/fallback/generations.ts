/**
 * A fallback file on disk: the generation in force, the one before, and a marker of what nginx has
 * taken. Each is written whole.
 */
import { link, mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Logger } from '../../runtime/logger.js'
import { previousPath, recoverSealed, seal, sha256, unseal } from '../../runtime/sealed-file.js'
import { moveWhole, readIfThere, writeWhole } from '../../runtime/whole-file.js'
import type { FileAccess } from '../../runtime/whole-file.js'

/** A file that nginx includes. */
export interface FallbackFileKind {
  name: string
  mode: number
  /** Whether this body says that there is nothing, which a registry that lost all would say too. */
  isEmpty(body: string): boolean
}

export interface GenerationsOptions {
  folder: string
  /** Where the generation before and the marker are kept; nobody includes it. */
  stateFolder: string
  /** Owner and permissions, where they are not the usual ones. */
  access?: FileAccess
  file: FallbackFileKind
  log: Logger
  /** Makes nginx read the new file. When it rejects, the old file is put back. */
  apply?: () => Promise<void>
}

const hasNoBlock = (body: string): boolean => !/^upstream /m.test(body)

export const UPSTREAMS_FILE: FallbackFileKind = {
  name: 'sluice-upstreams.conf',
  mode: 0o640,
  isEmpty: hasNoBlock,
}

/** For stream{}: a name that http{} does not include. */
export const STREAMS_FILE: FallbackFileKind = {
  name: 'stream-upstreams.conf',
  mode: 0o640,
  isEmpty: hasNoBlock,
}

/** With their keys. */
export const CERTIFICATES_FILE: FallbackFileKind = {
  name: 'sluice-certificates.conf',
  mode: 0o600,
  isEmpty: (body) => !body.includes('PRIVATE KEY'),
}

/**
 * Holds the checksum of the body that nginx was last seen to take, so that a restart reloads
 * nothing, and a crash before the reload is made up for.
 */
const markerOf = ({ name }: FallbackFileKind): string => `${name}.applied`
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
}: Omit<GenerationsOptions, 'apply'>): Promise<string | undefined> {
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

/** Gives a file a second name; false where the file system has no such thing. */
function linked(path: string, name: string): Promise<boolean> {
  return link(path, name).then(
    () => true,
    () => false,
  )
}

export class Generations {
  readonly #options: GenerationsOptions

  constructor(options: GenerationsOptions) {
    this.#options = options
  }

  /** Makes the folders. Resolves with the body that is in force; undefined when there is none. */
  async open(): Promise<string | undefined> {
    const { folder, stateFolder } = this.#options
    await mkdir(folder, { recursive: true, mode: 0o750 })
    await mkdir(stateFolder, { recursive: true, mode: 0o700 })
    await this.#moveState()
    return recoverFallback(this.#options)
  }

  /** Puts a new body in force. When nginx does not take it, the old file is put back. */
  async replace(body: string, revision: number): Promise<void> {
    const { folder, stateFolder, file, access } = this.#options
    const path = join(folder, file.name)
    const before = await readIfThere(path)
    if (before !== undefined && unseal(before) !== undefined) {
      await writeWhole(previousPath(path, stateFolder), before, file.mode)
    }
    // Its second name, by which it is put back on a full disk, too.
    const kept = join(folder, `.${file.name}.kept`)
    await rm(kept, { force: true })
    const isKept = before !== undefined && (await linked(path, kept))
    try {
      await writeWhole(path, seal(body, revision), file.mode, access)
      await this.apply(body)
    } catch (error) {
      if (isKept) {
        await moveWhole(kept, path)
      } else if (before !== undefined) {
        await writeWhole(path, before, file.mode, access)
      }
      throw error
    } finally {
      await rm(kept, { force: true })
    }
  }

  /** Lets nginx take the body in force. Resolves with false where it has been seen to have it. */
  async apply(body: string): Promise<boolean> {
    const { apply, stateFolder, file } = this.#options
    const marker = join(stateFolder, markerOf(file))
    if (apply === undefined || (await readIfThere(marker)) === sha256(body)) {
      return false
    }
    await apply()
    await writeWhole(marker, sha256(body), file.mode)
    return true
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
}

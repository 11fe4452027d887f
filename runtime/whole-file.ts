/** Files that are either the old one or the new one, whenever the power goes. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from './errors.js'

/** Hidden, and in the same folder: a rename is whole within one file system alone. */
function temporaryFor(path: string): string {
  return join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`)
}

function undefinedIfMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') {
    throw error
  }
}

/** The text of a file, or undefined when there is none. Rejects when it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(undefinedIfMissing)
}

/** {@link readIfThere}, for code that cannot wait. */
export function readIfThereSync(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return undefinedIfMissing(error)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A file beside `path` with this text and these permissions, on the disk. */
async function writeTemporary(
  path: string,
  text: string,
  mode: number,
  { uid, gid }: Omit<FileAccess, 'mode'> = {},
): Promise<string> {
  const temporary = temporaryFor(path)
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(text)
      if (uid !== undefined || gid !== undefined) {
        const { uid: ownUid, gid: ownGid } = await handle.stat()
        await handle.chown(uid ?? ownUid, gid ?? ownGid)
      }
      await handle.chmod(mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return temporary
}

/** What a file gets beside its usual permissions. */
export interface FileAccess {
  /** In place of the usual permissions. */
  mode?: number
  /** Ids of user and group; what is left out stays that of this process. */
  uid?: number
  gid?: number
}

/**
 * Writes `text` to `path` with exactly these permissions. Rejects with what the system says
 * (ENOSPC, EACCES, EPERM for an owner that this process may not name); the old file is there then,
 * unchanged.
 */
export async function writeWhole(
  path: string,
  text: string,
  usualMode: number,
  { mode = usualMode, ...owner }: FileAccess = {},
): Promise<void> {
  const temporary = await writeTemporary(path, text, mode, owner)
  try {
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

/** Replaces a file by another of its folder. It needs no room on the disk. */
export async function moveWhole(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncFolder(dirname(to))
}

/** False when another process made the file first. */
async function linkNew(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      return false
    }
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
}

/**
 * The text of a file that is made once, without space around it. When nothing is there, or an
 * empty file that a power cut left, `make` says what it is to hold. Of several processes that make
 * it at the same time, all end with the same text. Rejects with what the system says.
 */
export async function readOrMake(
  path: string,
  mode: number,
  make: () => string | Promise<string>,
): Promise<string> {
  const there = await readIfThere(path)
  if (there !== undefined && there.trim() !== '') {
    return there.trim()
  }
  const text = await make()
  if (there !== undefined) {
    await writeWhole(path, text + '\n', mode)
    return text
  }
  const isFirst = await linkNew(await writeTemporary(path, text + '\n', mode), path)
  await syncFolder(dirname(path))
  return isFirst ? text : readOrMake(path, mode, () => text)
}

function syncSync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** {@link writeWhole}, for code that cannot wait: it holds up the process for some milliseconds. */
export function writeWholeSync(path: string, text: string, mode: number): void {
  const temporary = temporaryFor(path)
  try {
    writeFileSync(temporary, text, { flag: 'wx', mode })
    chmodSync(temporary, mode)
    syncSync(temporary)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncSync(dirname(path))
}

/**
 * Hard links that keep a damaged store as it was found. LevelDB repairs as it opens: what it cannot
 * read it drops, and the log it read from it deletes. But it never alters a file that is there.
 */
import { link, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { HEAD } from './head.js'
import { systemCode } from '../../runtime/errors.js'

/** Names the files that are the store; written last, by rename, as LevelDB does. */
const CURRENT = 'CURRENT'
/**
 * Not part of the store: the lock is held by inode, the logs are LevelDB's own, the head is written
 * in place.
 */
const NOT_STORED = new Set(['LOCK', 'LOG', 'LOG.old', HEAD])

function snapshotPrefix(folder: string): string {
  return `.${basename(folder)}.opening-`
}

async function storedFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !NOT_STORED.has(name))
}

/**
 * Data is there, but not the file that names it. LevelDB would take it for a new store, and delete
 * the rest.
 */
export async function lacksItsHead(folder: string): Promise<boolean> {
  const files = await storedFiles(folder)
  return !files.includes(CURRENT) && files.some((name) => /\.(log|ldb|sst)$/.test(name))
}

/** Links the store's files into a new folder beside it, and answers its path. */
export async function takeSnapshot(folder: string): Promise<string> {
  const name = snapshotPrefix(folder) + randomBytes(6).toString('hex')
  const snapshot = join(dirname(folder), name)
  await mkdir(snapshot, { mode: 0o700 })
  for (const file of await storedFiles(folder)) {
    await link(join(folder, file), join(snapshot, file))
  }
  return snapshot
}

/**
 * Puts the store in `folder` back to what it was when `snapshot` was taken, and removes the
 * snapshot. Nobody may have the store open.
 */
export async function putBack(folder: string, snapshot: string): Promise<void> {
  const before = await storedFiles(snapshot)
  for (const file of before.filter((name) => name !== CURRENT)) {
    await link(join(snapshot, file), join(folder, file)).catch(ignoreExisting)
  }
  if (before.includes(CURRENT)) {
    await rename(join(snapshot, CURRENT), join(folder, CURRENT))
  }
  for (const file of await storedFiles(folder)) {
    if (!before.includes(file)) {
      await rm(join(folder, file), { force: true })
    }
  }
  await rm(snapshot, { recursive: true, force: true })
}

/** Removes one snapshot, or all that openings of `folder` left behind (killed ones, too). */
export async function dropSnapshots(folder: string, only?: string): Promise<void> {
  const parent = dirname(folder)
  const names = await readdir(parent)
  const found = names.filter((name) => name.startsWith(snapshotPrefix(folder)))
  const all = found.map((name) => join(parent, name))
  const goes = only === undefined ? all : [only]
  await Promise.all(goes.map((path) => rm(path, { recursive: true, force: true })))
}

function ignoreExisting(error: unknown): void {
  if (systemCode(error) !== 'EEXIST') {
    throw error
  }
}

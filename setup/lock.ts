import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 100
const WRITING_PID_MS = 2_000

/** Runs `work` while no other process holds the same folder as its lock. */
export async function withLock<T>(
  folder: string,
  onWait: (pid: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(dirname(folder), { recursive: true })
  await acquire(folder, onWait)
  try {
    return await work()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function acquire(folder: string, onWait: (pid: number) => void): Promise<void> {
  let announced = false
  let ownerlessSinceMs: number | undefined
  while (!tryAcquire(folder)) {
    const owner = ownerOf(folder)
    ownerlessSinceMs = owner === undefined ? (ownerlessSinceMs ?? Date.now()) : undefined
    // Between its mkdir and its write, a live owner has no name yet.
    const nameless =
      ownerlessSinceMs !== undefined && Date.now() - ownerlessSinceMs > WRITING_PID_MS
    if (nameless || (owner !== undefined && !isAlive(owner))) {
      removeStale(folder, owner)
      continue
    }
    if (owner !== undefined && !announced) {
      onWait(owner)
    }
    announced ||= owner !== undefined
    await sleep(POLL_MS)
  }
}

function tryAcquire(folder: string): boolean {
  try {
    mkdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      return false
    }
    throw error
  }
  writeFileSync(join(folder, 'pid'), String(process.pid))
  return true
}

function ownerOf(folder: string): number | undefined {
  try {
    return Number(readFileSync(join(folder, 'pid'), 'utf8')) || undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

/** A rename has one winner; if that won somebody's fresh lock, it goes back. */
function removeStale(folder: string, owner: number | undefined): void {
  const aside = `${folder}.stale-${process.pid}`
  try {
    renameSync(folder, aside)
    if (ownerOf(aside) !== owner) {
      return renameSync(aside, folder)
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      throw error
    }
  }
  rmSync(aside, { recursive: true, force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

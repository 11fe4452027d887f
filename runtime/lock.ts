/**
 * Locks between processes: a lock is a socket that its owner listens at, so the kernel lets go of
 * it however the owner ends.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { dirname, join } from 'node:path'
import { systemCode } from './errors.js'
import { pause } from './retry.js'

const ANSWER_MS = 1000
const POLL_MS = 100

export interface Lock {
  /** True when its last owner did not let go: it was killed. */
  wasHeld: boolean
  release(): Promise<void>
}

/** Who has the lock; without `pid` its process did not say so in time. */
export interface LockOwner {
  pid: number | undefined
}

/** Short, for the paths of sockets have 107 bytes at most. */
function aside(path: string): string {
  return join(dirname(path), '.' + randomBytes(3).toString('hex'))
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      // Whoever asks may be gone before the answer; that harms nobody.
      socket.on('error', () => socket.destroy())
      socket.end(String(process.pid) + '\n')
    })
    server.once('error', reject)
    server.listen(path, () => resolve(server.unref()))
  })
}

/** `dead` when nobody listens there; `gone` when nothing is there, or its owner let go just now. */
function ownerOf(path: string): Promise<LockOwner | 'dead' | 'gone'> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    socket.setTimeout(ANSWER_MS, () => socket.destroy())
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.once('error', (error) => {
      const code = systemCode(error) ?? ''
      if (code === 'ECONNREFUSED' || code === 'ENOTSOCK') {
        resolve('dead')
      } else if (code === 'ENOENT' || code === 'ECONNRESET' || code === 'EPIPE') {
        resolve('gone')
      } else {
        reject(error)
      }
    })
    socket.once('close', () => resolve({ pid: text === '' ? undefined : Number(text) }))
  })
}

/** False when something is at `path` already: a link has one winner, and is whole at once. */
function linkAs(socketPath: string, path: string): boolean {
  try {
    linkSync(socketPath, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      return false
    }
    throw error
  }
}

/** Tells one file at a path from the next. */
function markOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.ino} ${stat.ctimeNs}`
}

/** Removes what is at `path` if it still is what was found dead: others may have taken it over. */
function removeDead(path: string, mark: string | undefined): void {
  const moved = aside(path)
  if (mark === undefined || markOf(path) !== mark) {
    return
  }
  try {
    renameSync(path, moved)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      throw error
    }
  }
  rmSync(moved, { recursive: true, force: true })
}

/** Takes the lock, or says who has it. Rejects when nothing can listen at such a path. */
export async function tryLock(path: string): Promise<Lock | LockOwner> {
  mkdirSync(dirname(path), { recursive: true })
  const socketPath = aside(path)
  const server = await listen(socketPath)
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  let wasHeld = false
  try {
    while (!linkAs(socketPath, path)) {
      const mark = markOf(path)
      const owner = await ownerOf(path)
      if (typeof owner === 'object') {
        await close()
        return owner
      }
      if (owner === 'dead') {
        wasHeld = true
        removeDead(path, mark)
      }
    }
  } catch (error) {
    await close()
    throw error
  } finally {
    rmSync(socketPath, { force: true })
  }
  const release = (): Promise<void> => {
    rmSync(path, { force: true })
    return close()
  }
  return { wasHeld, release }
}

/** Runs `work` while no other process holds the lock. `onWait` hears once who has it. */
export async function withLock<T>(
  path: string,
  onWait: (pid: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  let isAnnounced = false
  for (;;) {
    const got = await tryLock(path)
    if ('release' in got) {
      return work().finally(() => got.release())
    }
    if (got.pid !== undefined && !isAnnounced) {
      onWait(got.pid)
      isAnnounced = true
    }
    await pause(POLL_MS)
  }
}

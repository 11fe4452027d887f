import { rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { SluiceError, systemCode } from '../../runtime/errors.js'

const ANSWER_MS = 1000

export interface HomeLock {
  /** True when somebody held it before and did not let go: was killed. */
  wasHeld: boolean
  release(): Promise<void>
}

/** The pid of the supervisor that listens there; undefined when none does; NaN when it does not say. */
function ownerOf(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    socket.setTimeout(ANSWER_MS, () => socket.destroy())
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.once('error', (error) => {
      const code = systemCode(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ENOTSOCK') {
        resolve(undefined)
      } else {
        reject(error)
      }
    })
    socket.once('close', () => resolve(text === '' ? NaN : Number(text)))
  })
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      // Who asks may be gone before it is told; that harms nobody.
      socket.on('error', () => socket.destroy())
      socket.end(String(process.pid) + '\n')
    })
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') {
        resolve(undefined)
      } else {
        reject(error)
      }
    })
    server.listen(path, () => resolve(server))
  })
}

/**
 * Makes this process the one supervisor of the home, by listening on a socket in it: the kernel lets go of it however
 * this process ends. Rejects with `conflict` when another one lives.
 */
export async function lockHome(home: string): Promise<HomeLock> {
  const path = join(home, 'run', 'supervisor.sock')
  let wasHeld = false
  let server = await listen(path)
  if (server === undefined) {
    const owner = await ownerOf(path)
    if (owner === undefined) {
      wasHeld = true
      rmSync(path, { force: true })
      server = await listen(path)
    }
  }
  if (server === undefined) {
    const owner = (await ownerOf(path)) ?? NaN
    const who = Number.isNaN(owner) ? '' : ` (pid ${owner})`
    throw new SluiceError(
      'conflict',
      `Sluice is already running in this home: ${home}${who}. Stop it, or name another home with --home`,
    )
  }
  const held = server
  held.unref()
  return { wasHeld, release: () => new Promise((resolve) => held.close(() => resolve())) }
}

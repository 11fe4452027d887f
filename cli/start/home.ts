/** The folders of a home, and the port of the pool, which is decided once for it. */
import { randomInt } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isWhole } from '../../contract/guard/names.js'
import { portsIn } from '../../contract/guard/ports.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'
import { LONGEST_SOCKET_PATH } from '../../runtime/socket-path.js'
import { readOrMake } from '../../runtime/whole-file.js'
import type { Settings } from '../../runtime/config/settings.js'
import type { Account } from './accounts.js'
import { findFree } from './ports.js'

const LONGEST_SOCKET = 'run/controller.lock'

/** Below the ports that connections get by themselves, so that none of those is ever in the way. */
const POOL_PORTS: [first: number, last: number] = [20_000, 30_000]

const FOLDERS: Array<[name: string, mode: number]> = [
  ['', 0o755],
  ['run', 0o700],
  ['hop', 0o710],
  ['registry', 0o700],
  ['sluice', 0o755],
  ['sluice/njs', 0o755],
  ['fallback', 0o755],
  ['compiled', 0o755],
  // A file in it that a worker can find is an open gate.
  ['gates', 0o711],
  // nginx makes a folder for each use in it, and gives that to its workers.
  ['temp', 0o711],
  ['logs', 0o750],
]
const FOR_OTHERS = 0o005
const OWN = 0o700

/** Throws `invalid` when sockets in the home would have too long a path. */
export function refuseLongPath(home: string): void {
  if (Buffer.byteLength(join(home, LONGEST_SOCKET)) > LONGEST_SOCKET_PATH) {
    const most = LONGEST_SOCKET_PATH - LONGEST_SOCKET.length - 1
    const message = `the path of the home may have ${most} bytes at most, for sockets in it: ${home}`
    throw new SluiceError('invalid', message, { field: 'home' })
  }
}

/**
 * Makes what is missing of the home, and leaves what is there. Rejects with `invalid`, naming the
 * path.
 */
export function makeHomeFolders(home: string): void {
  refuseLongPath(home)
  for (const [name, mode] of FOLDERS) {
    const path = join(home, name)
    try {
      const isMade = mkdirSync(path, { recursive: true, mode }) !== undefined
      if (isMade) {
        // A group is let in only once it is known to be the workers' (openToWorkers).
        chmodSync(path, (mode & FOR_OTHERS) === 0 ? mode & OWN : mode)
      } else if ((mode & FOR_OTHERS) === 0) {
        chmodSync(path, statSync(path).mode & mode)
      }
    } catch (error) {
      const message = `the folder ${path} cannot be made or used (${messageOf(error)})`
      throw new SluiceError('invalid', message, { field: 'home', cause: error })
    }
  }
}

/**
 * Lets the workers in where they have to go, `hop/` and `logs/`, and nobody else. They may change
 * nothing there: root makes files in both, which a link in their place would lead elsewhere.
 * `undefined`: the workers are this user.
 */
export function openToWorkers(home: string, account: Account | undefined): void {
  const isOther = account !== undefined && account.uid !== process.getuid?.()
  for (const [name, mode] of FOLDERS) {
    if (name === 'hop' || name === 'logs') {
      const path = join(home, name)
      // In this order, so that workers that run are never locked out.
      chmodSync(path, isOther ? mode : mode & OWN)
      chownSync(path, process.getuid?.() ?? -1, isOther ? account.gid : (process.getgid?.() ?? -1))
    }
  }
}

/** The pool's port: the one that is set, or one that was free when it was chosen, and is kept. */
async function poolPortOf({ home, poolPort, streamPorts }: Settings): Promise<number> {
  if (poolPort !== 0) {
    return poolPort
  }
  const path = join(home, 'pool-port')
  const make = async () =>
    String(await findFree('127.0.0.1', randomInt(...POOL_PORTS), true, portsIn(streamPorts)))
  const text = await readOrMake(path, 0o644, make).catch((error: unknown) => {
    const message = `${path} cannot be read or made (${messageOf(error)})`
    throw new SluiceError('invalid', message, { cause: error })
  })
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (!isWhole(port, 1, 65535)) {
    const message = `${path} holds ${JSON.stringify(text.slice(0, 80))}, which is not right. Correct the file, or remove it to have a new one made`
    throw new SluiceError('invalid', message)
  }
  return port
}

/** The settings with what is decided once for a home; makes of it what is missing. */
export async function openHome(settings: Settings): Promise<Settings> {
  makeHomeFolders(settings.home)
  return { ...settings, poolPort: await poolPortOf(settings) }
}

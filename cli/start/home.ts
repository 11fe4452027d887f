/** The folders of a home, and what is decided once for it: gateway id and pool port. */
import { randomBytes, randomInt } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isName, isWhole } from '../../contract/guard/names.js'
import { portsIn } from '../../contract/guard/ports.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'
import { readOrMake } from '../../runtime/whole-file.js'
import type { Settings } from '../../runtime/config/settings.js'
import { findFree } from './ports.js'

/** Bytes that Linux allows for a socket's path, its closing zero left out. */
const LONGEST_SOCKET_PATH = 107
const LONGEST_SOCKET = 'run/controller.lock'

/** Below the ports that connections get by themselves, so that none of those is ever in the way. */
const POOL_PORTS: [first: number, last: number] = [20_000, 30_000]

const FOLDERS: Array<[name: string, mode: number]> = [
  ['', 0o755],
  ['run', 0o700],
  ['hop', 0o700],
  ['registry', 0o700],
  ['sluice', 0o755],
  ['sluice/njs', 0o755],
  ['fallback', 0o755],
  ['logs', 0o755],
]

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
      if (mkdirSync(path, { recursive: true, mode }) !== undefined || mode === 0o700) {
        chmodSync(path, mode)
      }
    } catch (error) {
      const message = `the folder ${path} cannot be made or used (${messageOf(error)})`
      throw new SluiceError('invalid', message, { field: 'home', cause: error })
    }
  }
}

/** What a file that is made once holds. Rejects with `invalid`, naming its path. */
async function decidedOnce<T>(
  path: string,
  parse: (text: string) => T | undefined,
  make: () => string | Promise<string>,
): Promise<T> {
  const text = await readOrMake(path, 0o644, make).catch((error: unknown) => {
    const message = `${path} cannot be read or made (${messageOf(error)})`
    throw new SluiceError('invalid', message, { cause: error })
  })
  const value = parse(text)
  if (value === undefined) {
    const message = `${path} holds ${JSON.stringify(text.slice(0, 80))}, which is not right; put it right or remove it`
    throw new SluiceError('invalid', message)
  }
  return value
}

/** The gateway's id: made once, then kept. */
function gatewayIdOf(home: string): Promise<string> {
  const parse = (text: string) => (isName(text) ? text : undefined)
  const make = () => 'gw-' + randomBytes(4).toString('hex')
  return decidedOnce(join(home, 'gateway-id'), parse, make)
}

/** The pool's port: the one that is set, or one that was free when it was chosen, and is kept. */
async function poolPortOf({ home, poolPort, streamPorts }: Settings): Promise<number> {
  if (poolPort !== 0) {
    return poolPort
  }
  const parse = (text: string) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
    return isWhole(port, 1, 65535) ? port : undefined
  }
  const make = async () =>
    String(await findFree('127.0.0.1', randomInt(...POOL_PORTS), true, portsIn(streamPorts)))
  return decidedOnce(join(home, 'pool-port'), parse, make)
}

/** The settings with what is decided once for a home; makes of it what is missing. */
export async function openHome(settings: Settings): Promise<Settings> {
  makeHomeFolders(settings.home)
  await gatewayIdOf(settings.home)
  return { ...settings, poolPort: await poolPortOf(settings) }
}

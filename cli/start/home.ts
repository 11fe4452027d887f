/** The folders of a home, and what is decided once for it: gateway id and pool port. */
import { randomBytes, randomInt } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isName, isWhole } from '../../contract/guard/names.js'
import { portsIn } from '../../contract/guard/ports.js'
import { SluiceError, messageOf, systemCode } from '../../runtime/errors.js'
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

/** What is in a file that is made once; undefined when it is not there. */
function readOnce<T>(path: string, parse: (text: string) => T | undefined): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return undefined
    }
    throw new SluiceError('invalid', `${path} cannot be read (${messageOf(error)})`, {
      cause: error,
    })
  }
  const value = parse(text)
  if (value === undefined) {
    const message = `${path} holds ${JSON.stringify(text.slice(0, 80))}, which is not right; put it right or remove it`
    throw new SluiceError('invalid', message)
  }
  return value
}

/** Another process may make the same file at the same time; then its content counts. */
function writeOnce<T>(path: string, value: T, parse: (text: string) => T | undefined): T {
  try {
    writeFileSync(path, String(value) + '\n', { flag: 'wx', mode: 0o644 })
    return value
  } catch (error) {
    const there = systemCode(error) === 'EEXIST' ? readOnce(path, parse) : undefined
    if (there === undefined) {
      throw error
    }
    return there
  }
}

/** The gateway's id: made once, then kept. */
function gatewayIdOf(home: string): string {
  const path = join(home, 'gateway-id')
  const parse = (text: string) => (isName(text) ? text : undefined)
  return readOnce(path, parse) ?? writeOnce(path, 'gw-' + randomBytes(4).toString('hex'), parse)
}

/** The pool's port: the one that is set, or one that was free when it was chosen, and is kept. */
async function poolPortOf({ home, poolPort, streamPorts }: Settings): Promise<number> {
  if (poolPort !== 0) {
    return poolPort
  }
  const path = join(home, 'pool-port')
  const parse = (text: string) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
    return isWhole(port, 1, 65535) ? port : undefined
  }
  const known = readOnce(path, parse)
  if (known !== undefined) {
    return known
  }
  const first = randomInt(...POOL_PORTS)
  return writeOnce(path, await findFree('127.0.0.1', first, true, portsIn(streamPorts)), parse)
}

/** The settings with what is decided once for a home; makes of it what is missing. */
export async function openHome(settings: Settings): Promise<Settings> {
  makeHomeFolders(settings.home)
  gatewayIdOf(settings.home)
  return { ...settings, poolPort: await poolPortOf(settings) }
}

/** An nginx that Sluice does not run itself, seen from outside: its workers and its error log. */
import { execFile } from 'node:child_process'
import { open, readFile, readdir, readlink, stat } from 'node:fs/promises'
import { messageOf } from '../../runtime/errors.js'
import { statFields } from '../../runtime/process-stat.js'

/** Nobody writes so much between two looks; of more, the last part is read. */
const MOST_LOG_BYTES = 64 * 1024
const MOST_LINES = 3

/** The log of errors, up to here. */
export interface LogPosition {
  path: string
  bytes: number
}

async function titleOf(pid: number): Promise<string> {
  try {
    const title = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return title.replaceAll('\0', ' ').trim()
  } catch {
    // It has just ended.
    return ''
  }
}

/** An nginx that was started by way of the loader (`ld-linux…`) has no title of its own. */
const HAS_TITLE = /^(nginx|angie): /
const MASTER = /^(nginx|angie): master/
const MAY_BE_NGINX = /^(nginx|angie|openresty|ld-linux|ld-musl)/
const TAKES_CONNECTIONS = /: worker process$/

async function isMaster(pid: number): Promise<boolean> {
  const title = await titleOf(pid)
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return HAS_TITLE.test(title) ? MASTER.test(title) : MAY_BE_NGINX.test(name)
}

/** The id of a running nginx master that a pid file names; undefined where it names none. */
export async function masterIn(pidFile: string): Promise<number | undefined> {
  const text = await readFile(pidFile, 'utf8').catch(() => '')
  const pid = Number(text.trim())
  const isPid = Number.isSafeInteger(pid) && pid > 1
  return isPid && (await isMaster(pid)) ? pid : undefined
}

/** The pid file that an nginx was built with; undefined where it does not say. */
export function builtInPidFile(nginx: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(nginx, ['-V'], { timeout: 5000 }, (_error, stdout, stderr) =>
      resolve(/--pid-path=(\S+)/.exec(`${stdout}${stderr}`)?.[1]),
    )
  })
}

async function parentOf(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return Number(statFields(text)[1] ?? 0)
}

/** A child of a master. */
export interface NginxChild {
  pid: number
  /**
   * Whether it takes new connections, and does not only finish what it has; undefined where it has
   * no title that says so.
   */
  takesConnections: boolean | undefined
}

/** Workers and what else the master has started. */
export async function childrenOf(master: number): Promise<NginxChild[]> {
  const children = (await listedChildren(master)) ?? (await foundChildren(master))
  return Promise.all(
    children.map(async (pid) => {
      const title = await titleOf(pid)
      const isKnown = title === '' || HAS_TITLE.test(title)
      return { pid, takesConnections: isKnown ? TAKES_CONNECTIONS.test(title) : undefined }
    }),
  )
}

/** Undefined on a kernel that does not list them. */
async function listedChildren(master: number): Promise<number[] | undefined> {
  const list = `/proc/${master}/task/${master}/children`
  const text = await readFile(list, 'utf8').catch(() => undefined)
  return text?.split(' ').flatMap((pid) => (pid === '' ? [] : Number(pid)))
}

async function foundChildren(master: number): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(all.map(parentOf))
  return all.flatMap((pid, i) => (parents[i] === master ? Number(pid) : []))
}

/**
 * Where the log of errors ends now. nginx has it open as its standard error; undefined where that
 * is no file, or another user's that this process may not see.
 */
export async function logPlaceOf(master: number): Promise<LogPosition | undefined> {
  try {
    const path = await readlink(`/proc/${master}/fd/2`)
    const { size } = await stat(path)
    return path.startsWith('/dev/') ? undefined : { path, bytes: size }
  } catch {
    return undefined
  }
}

/** Lines of level `emerg` since then, without their time and process. */
export async function emergenciesSince(place: LogPosition | undefined): Promise<string[]> {
  if (place === undefined) {
    return []
  }
  try {
    const text = await readFrom(place)
    const lines = text.split('\n').flatMap((line) => line.split('[emerg] ')[1] ?? [])
    return lines.map((line) => line.replace(/^\d+#\d+: /, '')).slice(-MOST_LINES)
  } catch (error) {
    return [`its log cannot be read: ${messageOf(error)}`]
  }
}

async function readFrom({ path, bytes }: LogPosition): Promise<string> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    // Shorter: it was rotated, or emptied.
    const from = size < bytes ? 0 : Math.max(bytes, size - MOST_LOG_BYTES)
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.alloc(size - from),
      position: from,
    })
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

/**
 * What Linux knows of processes and sockets; where it says nothing, the answers are the careful
 * ones.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { systemCode } from '../../runtime/errors.js'
import { statFields } from '../../runtime/process-stat.js'
import { pause } from '../../runtime/retry.js'

const LISTENING = '0A'
const POLL_MS = 10

/**
 * A process that came or went between two looks, or that another user owns, is as good as not
 * there.
 */
function readProc(path: string): string {
  try {
    return readFileSync('/proc/' + path, 'utf8')
  } catch {
    return ''
  }
}

/** False for a zombie too: it does nothing any more, but nobody has asked for its exit code. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
  return statFields(readProc(`${pid}/stat`))[0] !== 'Z'
}

/**
 * Whether the process is a worker of some nginx, by the title that nginx gives it. The title takes
 * the place of nginx's own arguments, so before it may stand a loader and what that was given.
 */
export function isWorker(pid: number): boolean {
  return /(^|\0)nginx: worker process/.test(readProc(`${pid}/cmdline`))
}

/** Children that are workers and take connections, by their titles. */
export function servingWorkers(master: number): number[] {
  const text = readProc(`${master}/task/${master}/children`)
  const children = text === '' ? childrenOf(master) : text.trim().split(' ').map(Number)
  return children.filter((pid) =>
    /(^|\0)nginx: worker process(\0|$)/.test(readProc(`${pid}/cmdline`)),
  )
}

/** For a kernel that does not list them. */
function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => statFields(readProc(`${pid}/stat`))[1] === String(parent))
}

/** Looks until it is so. False when it is not within `ms`. */
export async function within(ms: number, isSo: () => boolean): Promise<boolean> {
  const untilMs = performance.now() + ms
  while (!isSo()) {
    if (performance.now() >= untilMs) {
      return false
    }
    await pause(POLL_MS)
  }
  return true
}

/** True when all have ended within `ms`. */
export function ended(pids: number[], ms: number): Promise<boolean> {
  return within(ms, () => !pids.some(isRunning))
}

/** A process that is gone already needs no signal. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') {
      throw error
    }
  }
}

/** Inodes of the unix sockets bound at one of `paths`. */
export function unixInodes(paths: ReadonlySet<string>): Set<string> {
  const inodes = readProc('net/unix')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => paths.has(fields[7] ?? ''))
    .map((fields) => fields[6] ?? '')
  return new Set(inodes)
}

/** Of the sockets that are bound to `port`, at whichever address. */
function inodesAt(table: string, port: number, isMeant: (state: string) => boolean): Set<string> {
  const suffix = ':' + port.toString(16).toUpperCase().padStart(4, '0')
  const lines = [table, table + '6'].flatMap((name) => readProc(`net/${name}`).split('\n'))
  const inodes = lines
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => isMeant(fields[3] ?? '') && fields[1]?.endsWith(suffix))
    .map((fields) => fields[9] ?? '')
  return new Set(inodes)
}

/** Inodes of the sockets that listen for TCP at `port`. */
export function tcpInodes(port: number): Set<string> {
  return inodesAt('tcp', port, (state) => state === LISTENING)
}

/** Inodes of the sockets that take what comes to `port` over UDP. */
export function udpInodes(port: number): Set<string> {
  return inodesAt('udp', port, () => true)
}

/** Whether the process has one of the sockets open; undefined when that cannot be seen. */
export function holdsAny(pid: number, inodes: ReadonlySet<string>): boolean | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const match = /^socket:\[(\d+)\]$/.exec(linkOf(pid, fd))
      return match !== null && inodes.has(match[1] ?? '')
    })
  } catch {
    return undefined
  }
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return ''
  }
}

/** Pids of all processes that have one of the sockets open. */
export function holders(inodes: ReadonlySet<string>): number[] {
  return inodes.size === 0 ? [] : allPids().filter((pid) => holdsAny(pid, inodes) === true)
}

function allPids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

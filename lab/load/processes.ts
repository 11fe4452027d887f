/** What the kernel knows of processes: children, CPU, memory, sockets. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { statFields } from '../../runtime/process-stat.js'

/** Pids of the direct children of a process, in the order of their start. */
export function childPids(pid: number): number[] {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) {
    return []
  }
  return readdirSync(tasks)
    .flatMap((task) => readIfThere(`${tasks}/${task}/children`).split(' '))
    .filter((text) => /^\d+$/.test(text))
    .map(Number)
    .sort((a, b) => a - b)
}

/** True for a zombie too, which only waits for its parent. */
export function hasEnded(pid: number): boolean {
  const stat = readIfThere(`/proc/${pid}/stat`)
  return stat === '' || statFields(stat)[0] === 'Z'
}

export function isAlive(pid: number): boolean {
  return !hasEnded(pid)
}

/** Arguments of a process, with spaces between. */
export function commandOf(pid: number): string {
  return readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
}

/** Processor time that a process has had, in nanoseconds (all its threads). */
export function cpuNs(pid: number): number {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) {
    return 0
  }
  return readdirSync(tasks)
    .map((task) => Number(readIfThere(`${tasks}/${task}/schedstat`).split(' ')[0] ?? 0))
    .reduce((total, value) => total + value, 0)
}

export interface Memory {
  /** Resident, pages shared with others included. */
  rssBytes: number
  /**
   * Resident, each shared page divided among those that share it: may be added up over processes.
   */
  pssBytes: number
}

export function memoryOf(pid: number): Memory {
  const text = readIfThere(`/proc/${pid}/smaps_rollup`)
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  return { rssBytes: field('Rss'), pssBytes: field('Pss') }
}

export function totalPss(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + memoryOf(pid).pssBytes, 0)
}

/** A process may be gone at any moment: then there is nothing to read. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/**
 * The ports that clients have connected from, of the connections to `port` that a process holds.
 * IPv4.
 */
export function clientPortsOf(pid: number, port: number): number[] {
  const folder = `/proc/${pid}/fd`
  const inodes = new Set(readdirSync(folder).map((fd) => socketInode(`${folder}/${fd}`)))
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const ESTABLISHED = '01'
  return readIfThere('/proc/net/tcp')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, here, , state]) => here?.endsWith(local) === true && state === ESTABLISHED)
    .filter(([, , , , , , , , , inode]) => inodes.has(inode))
    .map(([, , there]) => parseInt(there?.split(':')[1] ?? '', 16))
}

function socketInode(path: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1]
  } catch {
    // Closed since the folder was read.
    return undefined
  }
}

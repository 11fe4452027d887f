/** The nginx of a home: whether it runs, and how to start, reload and stop it. */
import type { Transport } from '../../contract/record/stream-route.js'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../runtime/errors.js'
import { runCommand } from '../../setup/command.js'
import type { CommandResult } from '../../setup/command.js'
import { nginxEnvironment } from '../../setup/nginx-environment.js'
import {
  ended,
  holders,
  holdsAny,
  isRunning,
  isWorker,
  servingWorkers,
  signal,
  tcpInodes,
  udpInodes,
  unixInodes,
  within,
} from './proc.js'

export interface NginxFiles {
  /** The executable. */
  path: string
  home: string
  /** The main configuration file. */
  conf: string
  pidFile: string
  /**
   * Unix sockets that it listens at: as files they outlive an nginx that was killed, and then stand
   * in its way.
   */
  sockets: string[]
  /** Whether its TCP ports can be opened beside workers that still listen at them. */
  sharesPorts: boolean
}

const GONE_MS = 1000
/** A machine may have much else to do; what does not come is waited for no longer. */
const PID_FILE_MS = 10_000
const ROOM_MS = 5000
/** nginx tries for 2.5 s to have a port that is taken, and may have a large configuration. */
const RELOAD_MS = 30_000

/** The arguments that make an nginx the one of this home. */
function argumentsOf({ home, conf }: NginxFiles): string[] {
  return ['-p', home + '/', '-e', join(home, 'logs', 'error.log'), '-c', conf]
}

function runNginx(place: NginxFiles, ...more: string[]): Promise<CommandResult> {
  const args = [...argumentsOf(place), ...more]
  return runCommand(place.path, args, { env: nginxEnvironment() })
}

/** The lines that matter of what nginx printed: without its name, time and pid. */
function wordsOf(output: string): string {
  const lines = output.split('\n').filter((line) => /\[(emerg|alert|crit|error)\]/.test(line))
  const chosen = lines.length > 0 ? lines : output.trim().split('\n')
  return chosen.map((line) => line.replace(/^.*?\[\w+\] (\d+#\d+: )?/, '')).join('\n')
}

/** Rejects with `invalid` and nginx's own words. Does not touch an nginx that runs. */
export async function testConf(place: NginxFiles): Promise<void> {
  const result = await runNginx(place, '-t')
  if (result.code !== 0) {
    const words = result.startError?.message ?? wordsOf(result.stderr)
    throw new SluiceError('invalid', `nginx refuses the configuration ${place.conf}: ${words}`)
  }
}

/** Sockets that only this home's nginx has open. */
function ownSockets({ sockets }: NginxFiles): Set<string> {
  return unixInodes(new Set(sockets))
}

/** The pid in the pid file, if that process lives; whose it is has not been looked at. */
export function recordedPid({ pidFile }: NginxFiles): number | undefined {
  let text: string
  try {
    text = readFileSync(pidFile, 'utf8')
  } catch {
    // nginx takes the file with it when it ends, and one that cannot be read names no nginx of
    // ours.
    return undefined
  }
  const pid = Number(text.trim())
  return Number.isInteger(pid) && pid > 0 && isRunning(pid) ? pid : undefined
}

/**
 * The pid of this home's master, if it runs. A pid that another program has by now is not taken for
 * it.
 */
export function findMaster(place: NginxFiles): number | undefined {
  const pid = recordedPid(place)
  // Where sockets cannot be seen, the pid file is believed.
  return pid !== undefined && holdsAny(pid, ownSockets(place)) !== false ? pid : undefined
}

/** Pids of this home's workers; they may go on serving although their master was killed. */
function workers(place: NginxFiles): number[] {
  const master = findMaster(place)
  return holders(ownSockets(place)).filter((pid) => pid !== master)
}

/** Whether this home's nginx, or what is left of one, is what listens at the port. */
export function listensAt(place: NginxFiles, port: number, protocol: Transport = 'tcp'): boolean {
  const own = ownSockets(place)
  const inodes = protocol === 'tcp' ? tcpInodes(port) : udpInodes(port)
  return holders(inodes).some((pid) => holdsAny(pid, own) === true)
}

/**
 * Starts nginx as a daemon, which outlives this process. Workers whose master was killed serve on
 * until the new nginx listens beside them, and then finish what they have; where ports cannot be
 * shared they make room first. Resolves with their pids.
 */
export async function startNginx(place: NginxFiles): Promise<number[]> {
  const orphans = workers(place)
  if (orphans.length > 0) {
    // They need the files of their sockets, which go below: so not before nginx can start.
    await testConf(place)
  }
  if (!place.sharesPorts) {
    await finish(place, orphans)
  }
  for (const path of place.sockets) {
    rmSync(path, { force: true })
  }
  const result = await runNginx(place)
  if (result.code !== 0) {
    const words = result.startError?.message ?? wordsOf(result.stderr)
    throw new SluiceError('gateway_unavailable', `nginx does not start: ${words}`)
  }
  await pidFileOf(place)
  await finish(place, orphans)
  return orphans
}

/** Has workers stop accepting at once; what they have in flight goes on. */
async function finish(place: NginxFiles, orphans: number[]): Promise<void> {
  const own = ownSockets(place)
  const accepting = () => orphans.filter((pid) => holdsAny(pid, own) === true)
  accepting().forEach((pid) => signal(pid, 'SIGQUIT'))
  await within(ROOM_MS, () => accepting().length === 0)
  // One that does not even stop accepting hangs, and serves nobody.
  accepting().forEach((pid) => signal(pid, 'SIGKILL'))
}

/** The daemon writes it a moment after the command has ended. */
async function pidFileOf(place: NginxFiles): Promise<void> {
  if (!(await within(PID_FILE_MS, () => findMaster(place) !== undefined))) {
    const log = join(place.home, 'logs', 'error.log')
    throw new SluiceError('gateway_unavailable', `nginx ended at once; ${log} says why`)
  }
}

/**
 * Has nginx start its executable anew, which is another one at the same path. The new nginx
 * inherits all sockets, so that no connection that waits at them is lost, and the workers before it
 * finish what they have. Resolves with their pids, or with undefined where no other nginx came up
 * and the one that is there serves on.
 */
export async function upgradeNginx(place: NginxFiles, pid: number): Promise<number[] | undefined> {
  const before = workers(place)
  // nginx moves its own pid file there, and back when the other one has ended.
  const moved = `${place.pidFile}.oldbin`
  let wasMoved = false
  const isDecided = (): boolean => {
    const isMoved = existsSync(moved)
    const isBack = wasMoved && !isMoved
    wasMoved ||= isMoved
    return isBack || (findMaster(place) ?? pid) !== pid
  }
  signal(pid, 'SIGUSR2')
  await within(RELOAD_MS, isDecided)
  if ((findMaster(place) ?? pid) === pid) {
    return undefined
  }
  signal(pid, 'SIGQUIT')
  return before
}

/** The configuration on disk becomes the one in use; connections and the table stay. */
export function reloadNginx(pid: number): void {
  signal(pid, 'SIGHUP')
}

/**
 * The same, seen to be done: those of before only finish what they have. Rejects with
 * `internal` where nginx goes on with the one before.
 */
export async function reloadSeen({ home }: NginxFiles, pid: number): Promise<void> {
  const before = servingWorkers(pid)
  reloadNginx(pid)
  const isDone = (): boolean => {
    const now = servingWorkers(pid)
    return now.length > 0 && !now.some((worker) => before.includes(worker))
  }
  if (!(await within(RELOAD_MS, isDone))) {
    const log = join(home, 'logs', 'error.log')
    const message = `nginx goes on with the configuration before; ${log} says why`
    throw new SluiceError('internal', message)
  }
}

/**
 * Ends nginx: what it has in flight may finish within `graceMs`. Workers without a master go as
 * well, also those of `finishing` that stopped accepting earlier.
 */
export async function stopNginx(
  place: NginxFiles,
  graceMs: number,
  finishing: number[] = [],
): Promise<void> {
  const master = findMaster(place)
  const orphans = finishing.filter(isWorker)
  const pids = [...(master === undefined ? [] : [master]), ...workers(place), ...orphans]
  if (graceMs > 0) {
    // The master signals its workers; only workers without one are signalled here.
    const signalled = master === undefined ? pids : [master]
    signalled.forEach((pid) => signal(pid, 'SIGQUIT'))
  }
  if (graceMs <= 0 || !(await ended(pids, graceMs))) {
    pids.forEach((pid) => signal(pid, 'SIGTERM'))
  }
  if (!(await ended(pids, GONE_MS))) {
    pids.forEach((pid) => signal(pid, 'SIGKILL'))
  }
}

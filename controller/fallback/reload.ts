/** Reloads an nginx that Sluice does not run, and sees whether it took the configuration. */
import { execFile } from 'node:child_process'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import type { FileModeSettings } from '../../runtime/config/settings.js'
import { pause } from '../../runtime/retry.js'
import {
  builtInPidFile,
  childrenOf,
  emergenciesSince,
  logPlaceOf,
  masterIn,
} from './nginx-master.js'
import type { LogPosition, NginxChild } from './nginx-master.js'

const COMMAND_TIMEOUT_MS = 30_000
/** nginx tries for 2.5 s to have a port that is taken. */
const TAKEN_WITHIN_MS = 15_000
const LOOK_MS = 50
/** nginx has its workers of before stop 0.1 s after it has started the new ones. */
const HAND_OVER_MS = 500

/** An nginx before its reload. */
interface Before {
  master: number
  children: ReadonlySet<number>
  log: LogPosition | undefined
}

function notTaken(message: string): SluiceError {
  return new SluiceError('internal', message, { retryable: true })
}

function runCommand(command: string): Promise<void> {
  const options = { timeout: COMMAND_TIMEOUT_MS }
  return new Promise((resolve, reject) => {
    execFile('/bin/sh', ['-c', command], options, (error, stdout, stderr) => {
      if (error === null) {
        resolve()
        return
      }
      const output = `${stderr}${stdout}`.trim().split('\n').slice(0, 5).join(' | ')
      reject(notTaken(`the reload command failed: ${output === '' ? messageOf(error) : output}`))
    })
  })
}

function signal(master: number, pidFile: string): void {
  try {
    process.kill(master, 'SIGHUP')
  } catch (error) {
    throw notTaken(`nginx was not reloaded by ${pidFile}: ${messageOf(error)}`)
  }
}

async function lookBefore(pidFile: string): Promise<Before> {
  const master = await masterIn(pidFile)
  if (master === undefined) {
    throw notTaken(`nginx was not reloaded by ${pidFile}: it names no running nginx master`)
  }
  const children = new Set((await childrenOf(master)).map(({ pid }) => pid))
  if (children.size === 0) {
    throw notTaken(`nginx was not reloaded by ${pidFile}: it has no workers yet`)
  }
  return { master, children, log: await logPlaceOf(master) }
}

/** A port that is taken is tried again for a while; all else is final at once. */
function isFinal(line: string): boolean {
  return !/^bind\(\) to /.test(line)
}

/**
 * There are new workers of the same master, and none of before takes connections. `unsure` where
 * one of before does not say whether it does.
 */
async function isTaken({ master, children }: Before): Promise<boolean | 'unsure'> {
  const now = await childrenOf(master)
  const former = now.filter(({ pid }: NginxChild) => children.has(pid))
  if (former.length === now.length || former.some((child) => child.takesConnections === true)) {
    return false
  }
  return former.every((child) => child.takesConnections === false) || 'unsure'
}

/** Rejects with what nginx logged when it keeps the configuration before. */
async function untilTaken(before: Before, pidFile: string): Promise<void> {
  const endsAtMs = performance.now() + TAKEN_WITHIN_MS
  const { master, log } = before
  for (let taken = await isTaken(before); taken !== true; taken = await isTaken(before)) {
    if (taken === 'unsure') {
      return pause(HAND_OVER_MS)
    }
    const emergencies = await emergenciesSince(log)
    const isOver = performance.now() > endsAtMs || emergencies.some(isFinal)
    if (isOver) {
      const none = `the master of ${pidFile} has no new workers`
      const why = emergencies.length === 0 ? none : emergencies.join(' | ')
      throw notTaken(`nginx goes on with the configuration before: ${why}`)
    }
    if ((await masterIn(pidFile)) !== master) {
      throw notTaken('nginx ended, or was started anew, while it was to reload')
    }
    await pause(LOOK_MS)
  }
}

/**
 * The pid file of the nginx that is to be seen: as set, or the one that `nginx` was built with,
 * where an nginx runs by it.
 */
async function findPidFile(nginx: string | undefined): Promise<string | undefined> {
  const path = nginx === undefined ? undefined : await builtInPidFile(nginx)
  return path !== undefined && (await masterIn(path)) !== undefined ? path : undefined
}

export interface ReloadOptions {
  settings: FileModeSettings
  /** The program, to ask it for its pid file. */
  nginx: () => string | undefined
  log: Logger
}

const UNSEEN = 'nginx cannot be seen from here: only the reload command says that it took the file'

/**
 * By the command, else by SIGHUP to the process in the pid file, or undefined when the settings
 * name neither. Resolves when nginx serves by the new configuration: neither a signal nor
 * `nginx -s reload` reports a port that is taken. Where nginx runs elsewhere (in a container), the
 * command's exit code is all that is known, and the log says so.
 */
export function makeReload(options: ReloadOptions): (() => Promise<void>) | undefined {
  const { reloadCommand, pidFile } = options.settings
  if (reloadCommand === undefined) {
    return pidFile === undefined ? undefined : () => reloadSeen(pidFile, signal)
  }
  return async () => {
    const seen = pidFile ?? (await findPidFile(options.nginx()))
    if (seen === undefined) {
      options.log.warn({ cure: 'set --pid-file' }, UNSEEN)
      await runCommand(reloadCommand)
    } else {
      await commandSeen(seen, reloadCommand)
    }
  }
}

async function reloadSeen(
  pidFile: string,
  reload: (master: number, pidFile: string) => Promise<void> | void,
): Promise<void> {
  const before = await lookBefore(pidFile)
  await reload(before.master, pidFile)
  await untilTaken(before, pidFile)
}

/** A command may also start an nginx that does not run: then that one reads the file. */
async function commandSeen(pidFile: string, command: string): Promise<void> {
  if ((await masterIn(pidFile)) !== undefined) {
    return reloadSeen(pidFile, () => runCommand(command))
  }
  await runCommand(command)
  if ((await masterIn(pidFile)) === undefined) {
    throw notTaken(`after the reload command, ${pidFile} names no running nginx master`)
  }
}

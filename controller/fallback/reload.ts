/** Makes an nginx that Sluice does not run itself read its configuration again. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { FileModeSettings } from '../../runtime/config/settings.js'

const TIMEOUT_MS = 30_000

function runCommand(command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('/bin/sh', ['-c', command], { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) {
        resolve()
        return
      }
      const said = `${stderr}${stdout}`.trim().split('\n').slice(0, 5).join(' | ')
      const why = said === '' ? messageOf(error) : said
      reject(new SluiceError('internal', `the reload command failed: ${why}`, { retryable: true }))
    })
  })
}

async function signal(pidFile: string): Promise<void> {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).trim())
    if (!Number.isInteger(pid) || pid < 2) {
      throw new Error(`it holds no process id`)
    }
    process.kill(pid, 'SIGHUP')
  } catch (error) {
    const message = `nginx was not reloaded by ${pidFile}: ${messageOf(error)}`
    throw new SluiceError('internal', message, { cause: error, retryable: true })
  }
}

/**
 * By the command, else by SIGHUP to the process in the pid file, or undefined when the settings name neither. Rejects when the
 * command fails or the process is not there; a signal does not tell whether nginx took the configuration, so it is checked before.
 */
export function makeReload(settings: FileModeSettings): (() => Promise<void>) | undefined {
  const { reloadCommand, pidFile } = settings
  if (reloadCommand !== undefined) {
    return () => runCommand(reloadCommand)
  }
  return pidFile === undefined ? undefined : () => signal(pidFile)
}

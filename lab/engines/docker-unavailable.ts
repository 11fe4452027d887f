/** Whether a private Docker engine can run on this machine. */
import { spawnSync } from 'node:child_process'

let reason: string | false | undefined

/** Why a private dockerd cannot run on this machine, or false where it can: a test's `skip`. */
export function dockerUnavailable(): string | false {
  return (reason ??= findReason())
}

function findReason(): string | false {
  if (process.getuid?.() !== 0) {
    return 'dockerd needs root'
  }
  const flags = ['--net', '--mount', '--pid', '--fork']
  const { error, status, stderr } = spawnSync('unshare', [...flags, 'true'], { encoding: 'utf8' })
  if (error) {
    return `no unshare on this machine: ${error.message}`
  }
  return status === 0 ? false : `no right to make namespaces: ${stderr.trim()}`
}

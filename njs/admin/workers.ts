/** nginx's processes, as /proc shows them. */
import fs from 'fs'

function read(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch (error) {
    return ''
  }
}

/** Pid of the master; of this very process where nginx runs without one. */
export function nginxMasterPid(): number {
  const parent = read('/proc/' + process.ppid + '/comm')
  const own = read('/proc/' + process.pid + '/comm')
  return parent === own ? process.ppid : process.pid
}

/**
 * Pids of the master's children, those that are shutting down included; empty where /proc does
 * not say.
 */
export function workerPids(master: number): number[] {
  if (master === process.pid) {
    return [master]
  }
  const children = read('/proc/' + master + '/task/' + master + '/children')
  return children
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number)
}

/** Gives a process a core of the machine to itself. */
import { cpus } from 'node:os'
import { runCommand } from '../../setup/command.js'

/**
 * All that this process starts from now on runs on another core than `own` will have. False where
 * there are not two, or nobody can tell them apart.
 */
export async function leaveCore(): Promise<boolean> {
  return cpus().length > 1 && (await pin(process.pid, `1-${cpus().length - 1}`))
}

/** The core that was left is for `pids`. */
export async function giveCore(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    if (!(await pin(pid, '0'))) {
      throw new Error(`process ${pid} cannot be given a core`)
    }
  }
}

export async function takeCoreBack(): Promise<void> {
  await pin(process.pid, `0-${cpus().length - 1}`)
}

async function pin(pid: number, cores: string): Promise<boolean> {
  const { code } = await runCommand('taskset', [
    '--all-tasks',
    '--cpu-list',
    '--pid',
    cores,
    `${pid}`,
  ])
  return code === 0
}

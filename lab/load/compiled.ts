/** What nginx is left to choose by itself in a home: how much there is, and how much is open. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../until.js'
import { monotonicMs } from './ledger.js'
import { commandOf } from './processes.js'
import type { Rig } from './rig.js'

/** How many gates the configuration on the disk has. */
export function plannedGates(home: string): number {
  const read = (name: string): string => {
    const path = join(home, 'compiled/now', name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
  const named = /map \$sluice_upstream \$sluice_named_gate \{([^}]*)\}/.exec(read('http.conf'))
  const lines = (named?.[1] ?? '').split('\n').filter((line) => line.includes('/gates/'))
  return lines.length + read('server.conf').split(/^location "@/m).length - 1
}

export function openGates(home: string): number {
  return readdirSync(join(home, 'gates')).length
}

/** Resolves when so many gates, or for a while the same number, are in the configuration. */
export async function whenWritten(home: string, gates = 0): Promise<void> {
  let before = 0
  const isWritten = (): boolean => {
    const now = plannedGates(home)
    const isSettled = gates > 0 ? now >= gates : now > 0 && now === before
    before = now
    return isSettled
  }
  const intervalMs = gates > 0 ? 50 : 3000
  await until(isWritten, { deadlineMs: 60_000, intervalMs, what: 'lanes in the configuration' })
}

/**
 * nginx is given the lanes that there are now. From the reload until all workers of before say that
 * they finish. They close idle connections just then, and reset a request that is on its way there.
 */
export async function takeLanes(rig: Rig): Promise<{ fromMs: number; untilMs: number }> {
  const old = rig.workers()
  const fromMs = monotonicMs()
  process.kill(rig.nginxPid(), 'SIGHUP')
  // nginx's title has as much room as what it was started with, and may be cut there.
  const isFinishing = (pid: number): boolean => /worker process is shut|^$/.test(commandOf(pid))
  const isDone = (): boolean =>
    rig.workers().some((pid) => !old.includes(pid)) && old.every(isFinishing)
  await until(isDone, { intervalMs: 5, deadlineMs: 60_000, what: 'new workers alone' })
  return { fromMs, untilMs: monotonicMs() }
}

/** Resolves when all gates of the configuration are open. */
export async function whenOpen(home: string): Promise<void> {
  const isOpen = (): boolean => openGates(home) >= plannedGates(home)
  await until(isOpen, { deadlineMs: 90_000, what: 'open gates' })
}

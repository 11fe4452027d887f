/** Counts calls of the kernel, by strace. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../lab/until.js'
import type { Tracers } from './tracers.js'

/**
 * How many calls of the kernel a process makes during `work`. What it waits for comes in batches of
 * any size, so waiting (epoll_wait) is left out. Rejects where no process may trace another.
 */
export async function countCalls(
  { strace }: Tracers,
  folder: string,
  pid: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const file = join(folder, `strace-${pid}`)
  rmSync(file, { force: true })
  const tracer = spawn(strace, ['-c', '-o', file, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise((resolve) => tracer.once('exit', resolve))
  await until(() => / attached/.test(said) || tracer.exitCode !== null, { what: 'strace' })
  if (tracer.exitCode !== null) {
    throw new Error(`strace: ${said}`)
  }
  await work()
  tracer.kill('SIGINT')
  await ended
  const rows = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  return rows
    .map((row) => /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(row))
    .filter((row) => row !== null && row[2] !== 'total' && row[2] !== 'epoll_wait')
    .reduce((sum, row) => sum + Number(row?.[1]), 0)
}

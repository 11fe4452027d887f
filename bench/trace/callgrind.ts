/** Counts instructions of a worker, by callgrind. */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { NginxInfo } from '../../setup/nginx.js'
import { until } from '../../lab/until.js'
import { sized } from '../rig/sized.js'
import type { Tracers } from './tracers.js'

const execute = promisify(execFile)
/** A worker that waits for requests is woken by vgdb, which by default it does after 100 ms. */
const SOON = ['--max-invoke-ms=10']
/**
 * With each switch valgrind translates the program anew, which takes longer than all requests of a
 * small run: that one goes on counting.
 */
const AFTERWARDS = sized(['instrumentation off'], [])

/**
 * The private nginx, moved to `folder` by links, in such a way that to start it is to start it in
 * callgrind.
 */
export function nginxInCallgrind(tracers: Tracers, nginx: NginxInfo, folder: string): NginxInfo {
  const root = dirname(dirname(nginx.path))
  mkdirSync(join(folder, 'bin'), { recursive: true })
  for (const name of ['usr', 'etc']) {
    if (existsSync(join(root, name))) {
      symlinkSync(join(root, name), join(folder, name))
    }
  }
  copyFileSync(join(root, 'sluice.json'), join(folder, 'sluice.json'))
  const path = join(folder, 'bin/nginx')
  const flags = '--tool=callgrind --instr-atstart=no --trace-children=yes'
  // Its messages would go to a copy of stderr that a daemon keeps open, and whoever starts it would
  // wait for ever.
  const files = `--callgrind-out-file="${folder}/out.%p" --log-file="${folder}/log.%p"`
  const start = `VALGRIND_LIB="${tracers.library}" exec "${tracers.valgrind}" ${flags} ${files}`
  const script = readFileSync(nginx.path, 'utf8').replace(/^exec/m, start)
  writeFileSync(path, script, { mode: 0o755 })
  return { ...nginx, path }
}

/** Counts the instructions that a process in callgrind carries out during `work`. */
export async function instructions(
  tracers: Tracers,
  folder: string,
  pid: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const dumps = (): string[] => {
    const dump = new RegExp(`^out\\.${pid}\\.\\d+$`)
    return readdirSync(folder).filter((name) => dump.test(name))
  }
  const known = dumps()
  await control(tracers, pid, 'instrumentation on', 'zero')
  await work()
  await control(tracers, pid, 'dump', ...AFTERWARDS)
  const [name = ''] = await until(
    () => {
      const fresh = dumps().filter((each) => !known.includes(each))
      return fresh.length > 0 ? fresh : undefined
    },
    { what: 'callgrind’s dump' },
  )
  const total = /^(?:totals|summary): (\d+)/m.exec(readFileSync(join(folder, name), 'utf8'))?.[1]
  if (total === undefined) {
    throw new Error(`callgrind’s ${name} has no total`)
  }
  return Number(total)
}

/**
 * A process that has given up root since it began cannot answer vgdb, which then waits for ever.
 */
async function control(tracers: Tracers, pid: number, ...commands: string[]): Promise<void> {
  const asked = commands.flatMap((command) => ['-c', command])
  await execute(tracers.vgdb, [`--pid=${pid}`, ...SOON, ...asked], { timeout: 20_000 })
}

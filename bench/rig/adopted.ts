/** Sluice in an nginx.conf of one's own. */
import { join } from 'node:path'
import { runCommand } from '../../setup/command.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { startRig } from '../../lab/load/rig.js'
import { PROGRAM } from '../../lab/nginx/started.js'
import type { Rig } from '../../lab/load/rig.js'
import { PlainNginx } from './plain-nginx.js'
import type { Bench } from '../report/report.js'

export interface Adopted {
  rig: Rig
  nginx: PlainNginx
}

export interface AdoptOptions {
  nginx: NginxInfo
  /** The same nginx in a tracer, which serves; what Sluice asks of nginx, the other answers. */
  traced?: NginxInfo
  engine: 'njs' | 'qjs'
  pool?: 'auto' | 'off'
  workers?: number
  /** Of each worker. */
  connections?: number
  /** Whether some server logs as `sluice start` does. */
  logged?: boolean
  /** Further `SLUICE_…` settings. */
  env?: Record<string, string>
  /** The servers, given the folder of the files to include; one of them listens at `port`. */
  servers: (includes: string) => string
  /** What stands in stream{}, likewise; absent: there is none. */
  stream?: (includes: string) => string
  port: number
}

/**
 * Sluice in an nginx.conf of one's own: `sluice conf`, the includes, and `sluice controller` beside
 * that nginx.
 */
export async function startAdopted(bench: Bench, options: AdoptOptions): Promise<Adopted> {
  const { nginx: info, engine, pool = 'auto', logged = false, env = {} } = options
  let nginx: PlainNginx | undefined
  const prepare = async (rig: Rig): Promise<void> => {
    nginx = await startNginx(bench, options, rig)
    bench.onEnd(() => nginx?.stop())
  }
  const rig = await startRig({
    name: 'adopted',
    nginx: info,
    engine,
    pool,
    command: 'controller',
    prepare,
    env: { SLUICE_ACCESS_LOG: String(logged), ...env },
  })
  bench.onEnd(() => rig.stop())
  if (nginx === undefined) {
    throw new Error('the rig did not prepare')
  }
  return { rig, nginx }
}

export async function stopAdopted({ rig, nginx }: Adopted): Promise<void> {
  await rig.stop()
  await nginx.stop()
}

async function startNginx(bench: Bench, options: AdoptOptions, rig: Rig): Promise<PlainNginx> {
  const { nginx, traced = nginx, servers, stream, port, workers = 1, connections } = options
  const { code, stderr } = await runCommand(process.execPath, [PROGRAM, 'conf'], { env: rig.env })
  if (code !== 0) {
    throw new Error(`sluice conf: ${stderr}`)
  }
  const includes = join(rig.home, 'sluice')
  const modules = nginx.modules.map((path) => `load_module "${path}";`)
  const jit = nginx.hasJit ? ['pcre_jit on;'] : []
  return PlainNginx.start({
    nginx: traced,
    folder: join(bench.folder, `adopted-${port}`),
    main: [`worker_processes ${workers};`, ...jit, ...modules].join('\n'),
    configuration: `include "${includes}/http.conf";\n${servers(includes)}`,
    port,
    ...(stream && { stream: stream(includes) }),
    ...(connections !== undefined && { connections }),
  })
}

/**
 * Does `work` while the controller is stopped. It asks the same worker some ten times a second,
 * which would count as the cost of requests, and the slower they are the more.
 */
export async function withoutController<T>({ rig }: Adopted, work: () => Promise<T>): Promise<T> {
  process.kill(rig.supervisorPid, 'SIGSTOP')
  try {
    return await work()
  } finally {
    process.kill(rig.supervisorPid, 'SIGCONT')
  }
}

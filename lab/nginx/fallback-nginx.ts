/** An nginx of nothing but the fallback: no njs, no table. */
import { execFile, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { guardRoute } from '../../contract/record/route.js'
import { tempPathLines } from '../../contract/temp-paths.js'
import type { Desired, DesiredInstance } from '../../controller/state/desired.js'
import { renderFallback } from '../../controller/fallback/http-fallback.js'
import { ask } from '../ask.js'
import { freePort } from '../ports.js'
import { temporaryFolder } from '../temp.js'
import { tools } from '../tools.js'
import { until } from '../until.js'

const run = promisify(execFile)

/** Upstreams of one instance each, by its port; routes as REST takes them. */
export function desiredOf(ports: Record<string, number>, routes: Record<string, unknown>): Desired {
  const upstreams = Object.entries(ports).map(([name, port]) => {
    const record = { host: '127.0.0.1', port, weight: 1, state: 'up' as const }
    const more = { override: undefined, suspect: undefined, revision: 1 }
    const one: DesiredInstance = { id: 'i', record, ...more }
    const policy = { balance: 'random' as const }
    return [name, { name, policy, revision: 1, instances: new Map([['i', one]]) }] as const
  })
  const checked = Object.entries(routes).map(([id, value]) => {
    const record = guardRoute(value)
    if (!record.ok) {
      throw new Error(`${id}: ${record.field} ${record.message}`)
    }
    return [id, { id, record: record.value, revision: 1 }] as const
  })
  return {
    revision: 7,
    upstreams: new Map(upstreams),
    routes: new Map(checked),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
}

/** A whole nginx.conf, whose hashes have the sizes that nginx gives them by default. */
export function wrapConf(folder: string, body: string): string {
  return `worker_processes 1; pid "${folder}/nginx.pid"; error_log "${folder}/error.log" warn;
    events {}
    http { access_log off; ${tempPathLines(folder).join(' ')}
      ${body}
    }`
}

/** The fallback of these, checked by Debian's nginx and served by the newest. Answers its port. */
export async function servePlain(
  t: { teardown(fn: () => unknown): void },
  desired: Desired,
): Promise<number> {
  const { nginx, nginxStable } = await tools()
  const folder = temporaryFolder(t, 'plain')
  const port = await freePort()
  const listener = { kind: 'front' as const, listen: [`127.0.0.1:${port}`], maxBodyBytes: 0 }
  const conf = join(folder, 'nginx.conf')
  writeFileSync(conf, wrapConf(folder, renderFallback(desired, ['localhost'], listener)))
  await run(nginxStable.path, ['-t', '-c', conf])
  const child = spawn(nginx.path, ['-c', conf, '-g', 'daemon off;'], { stdio: 'ignore' })
  t.teardown(
    () =>
      new Promise((resolve) => {
        child.once('exit', resolve)
        child.kill('SIGTERM')
      }),
  )
  await until(() => ask({ port }).catch(() => undefined))
  return port
}

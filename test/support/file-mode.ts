/** File mode in a test: a plain nginx, and a controller that leads it. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempPathLines } from '../../contract/temp-paths.js'
import { Controller } from '../../controller/controller.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { RegistryOperation } from '../../registry/registry.js'
import { silentLogger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import { freePort } from '../../lab/ports.js'
import { temporaryFolder } from '../../lab/temp.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { testSettings } from './control.js'

type TestLike = { teardown(fn: () => unknown): void }

export interface FilePlace {
  settings: Settings
  home: string
  port: number
  conf: string
  nginx: string
  file: string
}

/** A home, and a plain nginx.conf that includes what is written there; `http`: more of it. */
export async function filePlace(t: TestLike, http = ''): Promise<FilePlace> {
  const home = temporaryFolder(t, 'file')
  const { nginxStable } = await tools()
  const nginx = nginxStable.path
  const port = await freePort()
  const conf = join(home, 'plain.conf')
  mkdirSync(join(home, 'fallback'))
  writeFileSync(
    conf,
    `worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/error.log; events {}
    http { access_log off; ${tempPathLines(home).join(' ')}
    ${http} include ${home}/fallback/sluice-upstreams*.conf;
    server { listen 127.0.0.1:${await freePort()}; } }`,
  )
  const settings = testSettings(home, {
    mode: 'file',
    nginx,
    httpPort: port,
    file: {
      directory: undefined,
      listen: `127.0.0.1:${port}`,
      reloadCommand: `${nginx} -c ${conf} -s reload && echo x >> ${home}/reloads`,
      pidFile: join(home, 'nginx.pid'),
      access: { mode: 0o604 },
      minIntervalMs: 50,
      onetime: false,
    },
  })
  return { settings, home, port, conf, nginx, file: join(home, 'fallback/sluice-upstreams.conf') }
}

/** Stops with the test. */
export async function startPlain(
  t: TestLike,
  nginx: string,
  conf: string,
  home: string,
): Promise<void> {
  const child = spawn(nginx, ['-c', conf, '-g', 'daemon off;'], { stdio: 'ignore' })
  t.teardown(
    () =>
      new Promise((resolve) => {
        child.once('exit', resolve)
        child.kill('SIGTERM')
      }),
  )
  await until(() => existsSync(join(home, 'nginx.pid')))
}

export const instance = (upstream: string, id: string, port: number): RegistryOperation => ({
  type: 'put',
  key: `instances/${upstream}/${id}`,
  value: JSON.stringify({ host: '127.0.0.1', port }),
})

/** A controller over an nginx of its own, which serves `a`. */
export async function startFileMode(t: TestLike, given: FilePlace, more: object) {
  const { settings, home, nginx, conf } = given
  const file = { ...settings.file, ...more }
  const registry = await openEmbedded({ folder: join(home, 'registry'), log: silentLogger })
  let committed = 0
  const commit = async (...operations: RegistryOperation[]) => {
    const done = await registry.commit(operations)
    committed = done.revision
    return done
  }
  await startPlain(t, nginx, conf, home)
  await commit(instance('web', 'a', 9))
  const made = { settings: { ...settings, file }, registry, log: silentLogger }
  const controller = await Controller.make(made)
  controller.start()
  t.teardown(async () => {
    await controller.close()
    await registry.close()
  })
  await until(() => controller.ready(), { deadlineMs: 60_000, what: 'the controller to be ready' })
  const own = () => controller.gateways()[0]
  /** A commit's revision reaches the controller a moment after it. */
  const isLevel = () => {
    const { revision } = controller.desired()
    return revision >= committed && own()?.applied === revision
  }
  await until(isLevel, { deadlineMs: 60_000, what: 'it to be level' })
  return { commit, controller, own, isLevel }
}

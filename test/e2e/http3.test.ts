/**
 * HTTP/3 as `sluice start` gives it: switched on and off over an nginx that runs, taken over,
 * refused where it cannot be.
 */
import { createSocket } from 'node:dgram'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBackend } from '../../lab/backends/backend.js'
import { ask3 } from '../support/http3.js'
import { buildIfStale } from '../../lab/build.js'
import { makeHome, nginxPid, sluice, Started, stopAtEnd } from '../../lab/nginx/started.js'
import type { Home } from '../../lab/nginx/started.js'
import { temporaryFolder } from '../../lab/temp.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'

t.setTimeout(170_000)

t.before(buildIfStale)

async function started(t: Test, home: Home, http3: boolean): Promise<Started> {
  const it = new Started({ ...home.environment, SLUICE_HTTP3: String(http3) })
  stopAtEnd(t, home, () => it)
  await it.whenUp()
  return it
}

/** Who answers over HTTP/3; '' for nobody. */
async function answerer(home: Home): Promise<string> {
  const { body, status } = await ask3({ port: home.httpsPort, name: 'web.localhost' })
  return status === 200 ? (JSON.parse(body) as { id: string }).id : ''
}

async function killed(it: Started): Promise<void> {
  it.kill('SIGKILL')
  await it.whenEnded()
}

/** What `sluice start` says when it does not. */
async function refusal(t: Test, home: Home, more: NodeJS.ProcessEnv): Promise<string> {
  const it = new Started({ ...home.environment, SLUICE_HTTP3: 'true', ...more })
  stopAtEnd(t, home, () => it)
  t.not(await it.whenEnded(), 0)
  return it.output
}

t.test('switched on and off, and taken over', async (t) => {
  const home = await makeHome(t)
  const web = await startBackend(t, 'web')
  const off = await started(t, home, false)
  await sluice(home, 'register', 'web', 'one', web.address)
  t.equal(await answerer(home), '')
  const pid = nginxPid(home)
  await killed(off)

  const on = await started(t, home, true)
  t.match(on.output, /its configuration has changed: reloaded/)
  t.match(on.output, /https:.*HTTP\/3 too/)
  await until(async () => (await answerer(home)) === 'web', { what: 'HTTP/3' })
  await killed(on)
  t.equal(await answerer(home), 'web', 'nginx alone')

  const again = await started(t, home, true)
  t.match(again.output, /taken over as it is/)
  t.equal(await answerer(home), 'web')
  t.equal(nginxPid(home), pid, 'the same nginx')

  process.kill(pid, 'SIGKILL')
  await until(() => nginxPid(home) !== pid, { what: 'another nginx' })
  await until(async () => (await answerer(home)) === 'web', { what: 'HTTP/3 of the new one' })
  await killed(again)

  const offAgain = await started(t, home, false)
  t.match(offAgain.output, /its configuration has changed: reloaded/)
  await until(async () => (await answerer(home)) === '', { what: 'no HTTP/3' })
})

t.test('a port that another program has is refused, and nothing is started', async (t) => {
  const home = await makeHome(t)
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(home.httpsPort, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  const port = String(home.httpsPort)
  t.match(
    await refusal(t, home, {}),
    new RegExp(`UDP port ${port} of 127.0.0.1 is in use.*--https-port or SLUICE_HTTPS_PORT`),
  )
  t.match(
    await refusal(t, home, { SLUICE_STREAM_PORTS: port }),
    new RegExp(`streamPorts has ports that Sluice itself listens at: ${port} .httpsPort`),
  )
  t.match(
    await refusal(t, home, { SLUICE_HTTPS_PORT: '0' }),
    /HTTP\/3 shares httpsPort, which is 0/,
  )
})

t.test('an nginx without the module is refused by name', async (t) => {
  const { nginx } = await tools()
  const path = join(temporaryFolder(t), 'nginx')
  const versionOf = `${nginx.path} -V 2>&1 | sed 's#--modules-path=[^ ]*#--modules-path=${nginx.modulesPath}#; s/--with-http_v3_module//' >&2`
  writeFileSync(
    path,
    `#!/bin/sh\nif [ "$1" = -V ]; then ${versionOf}; exit; fi\nexec ${nginx.path} "$@"\n`,
  )
  chmodSync(path, 0o755)
  const home = await makeHome(t, { SLUICE_NGINX: path })
  t.match(
    await refusal(t, home, {}),
    new RegExp(`nginx at ${path} cannot speak HTTP/3: it was built without http_v3_module`),
  )
})

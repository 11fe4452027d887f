/** The programs that tests are run against. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { dockerUnavailable, importImage, startDockerd } from '../../../lab/engines/dockerd.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { until } from '../../../lab/until.js'

t.test('etcd keeps what it has over a kill, and nothing over a wipe', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  await etcd.ctl('put', '/sluice/a', 'one')
  await etcd.kill9()
  await etcd.restart()
  t.match(await etcd.ctl('get', '/sluice/a'), 'one')
  await etcd.wipe()
  t.equal(await etcd.ctl('get', '/sluice/a'), '')
})

t.test('etcd forgets its history when told to', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  for (const value of ['one', 'two']) {
    await etcd.ctl('put', '/sluice/a', value)
  }
  await etcd.compact()
  await t.rejects(etcd.ctl('get', '/sluice/a', '--rev=2'), /compacted/)
})

t.test('etcd that was stopped goes on where it was', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  await etcd.sigstop()
  const put = etcd.ctl('put', '/sluice/a', 'one')
  t.equal(await Promise.race([put, sleep(300, 'waiting')]), 'waiting')
  etcd.sigcont()
  t.match(await put, 'OK')
})

t.test('etcd asks for a certificate and a password', async (t) => {
  const etcd = await startEtcd({ tls: true, auth: true })
  t.teardown(() => etcd.stop())
  await etcd.ctl('put', '/sluice/a', 'one')
  await t.rejects(fetch(`${etcd.url}/health`))
  t.equal(etcd.auth?.username, 'sluice')
})

t.test('containers run and are reached by address', { skip: dockerUnavailable() }, async (t) => {
  const engine = await startDockerd()
  t.teardown(() => engine.stop())
  await importImage(engine.socket, 'app')
  const id = await engine.docker('run', '--detach', 'app')
  const address = await engine.docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id)
  const ask = async (): Promise<string> => (await fetch(`http://${address}/`)).text()

  t.equal((await until(ask)).trim(), id.slice(0, 12))
  await engine.kill9()
  t.equal((await ask()).trim(), id.slice(0, 12), 'live restore keeps it')
  await engine.restart()
  t.match(await engine.docker('ps', '--no-trunc'), id)
})

/** Certificates of several gateways over a real etcd, and while that is away. */
import t from 'tap'
import { openEtcd } from '../../../registry/etcd/registry.js'
import type { Registry } from '../../../registry/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startCertified } from '../../support/certified.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

t.test('put at one gateway, shown at both; etcd may go and come back', async (t) => {
  const authority = await makeAuthority(temporaryFolder(t, 'ca'))
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  const url = `etcd://127.0.0.1:${etcd.clientPort}`
  const open = (): Registry => {
    const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log })
    t.teardown(() => registry.close())
    return registry
  }
  const settings = { registry: url }
  const here = await startCertified(t, { kind: 'njs', registry: open(), settings })
  const there = await startCertified(t, { kind: 'njs', registry: open(), settings })
  const put = async (name: string): Promise<string> => {
    const answer = await here.call('PUT', '/v1/certificates/app', await authority.issue([name]))
    t.match(answer, { status: /200|201/, body: { applied: true } })
    return (answer.body as { fingerprint: string }).fingerprint
  }
  const shown = await put('app.test')
  for (const it of [here, there]) {
    t.equal((await it.shake('app.test')).fingerprint, shown)
  }
  const renewed = await put('app.test')
  for (const it of [here, there]) {
    t.equal((await it.shake('app.test')).fingerprint, renewed)
  }

  await etcd.kill9()
  await until(() => !there.controller.registryView().connected, { what: 'etcd to be missed' })
  for (const it of [here, there]) {
    t.equal((await it.shake('app.test')).fingerprint, renewed)
  }
  await there.stop()
  t.equal((await there.shake('app.test')).fingerprint, renewed, 'neither etcd nor controller')
  await etcd.restart()
  await there.start()
  t.equal((await there.shake('app.test')).fingerprint, renewed)
  const after = await put('app.test')
  for (const it of [here, there]) {
    t.equal((await it.shake('app.test')).fingerprint, after)
  }

  const instance = { host: '10.0.0.1', port: 80 }
  t.match(await here.call('PUT', '/v1/upstreams/web/instances/a', instance), { status: 201 })
  await etcd.wipe()
  await until(() => there.controller.suspects().length > 0, { what: 'the loss to be held' })
  for (const it of [here, there]) {
    t.equal((await it.shake('app.test')).fingerprint, after)
  }
  const again = await put('app.test')
  // What gateways say of themselves was wiped too: until they say it anew, no change waits for
  // them.
  for (const it of [here, there]) {
    await until(async () => (await it.shake('app.test')).fingerprint === again, { what: 'renewal' })
  }
})

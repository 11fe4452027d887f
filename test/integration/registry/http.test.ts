/** The registry of an agent: a controller, over HTTP. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { openHttp } from '../../../registry/http/registry.js'
import { openRegistry } from '../../../registry/open.js'
import type { PutOperation, RegistryOperation } from '../../../registry/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import type { Settings } from '../../../runtime/config/settings.js'
import { freePort } from '../../../lab/ports.js'
import { Recorder } from '../../support/registry-recorder.js'
import { serveRegistry, TOKEN, value } from '../../support/registry-subjects.js'
import { TcpProxy } from '../../support/tcp-proxy.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(60_000)

const KEY = 'instances/web/a'
const put = (key: string, text: string): PutOperation => ({ type: 'put', key, value: text })

/** A controller's side: an embedded registry and its routes. */
async function startController(folder: string, port = 0) {
  const registry = await openEmbedded({ folder, log })
  const server = await serveRegistry(registry, port)
  const stop = async () => {
    await server.app.close()
    await registry.close()
  }
  return { registry, port: server.port, stop }
}

function open(t: Test, port: number, token: string | null = TOKEN) {
  const registry = openHttp({ url: `http://127.0.0.1:${port}`, token: token ?? undefined, log })
  t.teardown(() => registry.close())
  return registry
}

t.test('what an agent may not write is refused by field, and nothing of it happens', async (t) => {
  const controller = await startController(join(temporaryFolder(t), 'registry'))
  t.teardown(() => controller.stop())
  const agent = open(t, controller.port)
  const good = put('instances/web/good', value(1))
  const some = put(KEY, value(1))
  const instance = (fields: object) => JSON.stringify({ host: '10.0.0.1', port: 1, ...fields })
  const refused: [operation: RegistryOperation, code: string, field: RegExp][] = [
    [put('upstreams/web', '{}'), 'forbidden', /\[1\].key/],
    [put('overrides/web/a', '{}'), 'forbidden', /\[1\].key/],
    [{ type: 'delete', key: 'routes/home' }, 'forbidden', /\[1\].key/],
    [put('certificates/home', '{}'), 'forbidden', /\[1\].key/],
    [put('instances/Web/a', value(1)), 'invalid', /\[1\].key/],
    [put('instances/../routes/a', value(1)), 'invalid', /\[1\].key/],
    [put(KEY, 'no json'), 'invalid', /\[1\].value$/],
    [put(KEY, instance({ port: 0 })), 'invalid', /\[1\].value.port/],
    [put(KEY, instance({ host: 'example.com' })), 'invalid', /\[1\].value.host/],
    [put(KEY, instance({ host: '169.254.169.254' })), 'invalid', /\[1\].value.host/],
    [put(KEY, instance({ needs: ['surprise'] })), 'invalid', /\[1\].value.needs/],
    [put(KEY, instance({ metadata: { a: 'x'.repeat(20_000) } })), 'invalid', /\[1\].value$/],
    [put('hosts/one', '{"address":"10.0.0.1"}'), 'invalid', /\[1\].value.containers/],
    [
      put('hosts/one', '{"address":"","containers":1,"problems":1}'),
      ...(['invalid', /\[1\].value.problems/] as const),
    ],
    [{ ...some, lease: '../x' }, 'invalid', /\[1\].lease/],
    [{ ...some, ifRevision: -1 }, 'invalid', /\[1\].ifRevision/],
    [{ ...some, extra: 1 } as PutOperation, 'invalid', /\[1\].extra/],
    [put('hosts/one', '{"address":"127.0.0.1:8080","containers":1}'), '', /./],
  ]
  for (const [operation, code, field] of refused) {
    const name = JSON.stringify(operation).slice(0, 90)
    const commit = agent.commit([good, operation])
    if (code === '') {
      await t.resolves(commit, name)
    } else {
      await t.rejects(commit, { code, field }, name)
    }
    if (code !== '') {
      t.same((await agent.list('')).entries, [], 'nothing of it happened')
    }
  }
  t.equal((await agent.list('')).entries.length, 2)
})

t.test('what a newer agent writes is kept with the fields that are not known yet', async (t) => {
  const controller = await startController(join(temporaryFolder(t), 'registry'))
  t.teardown(() => controller.stop())
  const agent = open(t, controller.port)
  const records = {
    [KEY]: { host: '10.0.0.1', port: 1, fleet: 'blue' },
    'hosts/one': { address: '', containers: 1, moods: [] },
    'routes/agent-one': { hosts: ['a.test'], pathPrefix: '/', upstream: 'web', mesh: true },
  }
  for (const [key, record] of Object.entries(records)) {
    const value = JSON.stringify(record)
    await agent.commit([put(key, value)])
    t.equal((await agent.get(key)).entry?.value, value)
  }
})

t.test('agents read what they need, and nothing else', async (t) => {
  const controller = await startController(join(temporaryFolder(t), 'registry'))
  t.teardown(() => controller.stop())
  const keys = ['certificates/home', 'overrides/web/a', 'upstreams/web', KEY]
  await controller.registry.commit(keys.map((key) => put(key, value(1))))
  const agent = open(t, controller.port)
  t.same(
    (await agent.list('')).entries.map(({ key }) => key),
    [KEY, ...keys.slice(1, 3)],
  )
  t.same((await agent.list('certificates/')).entries, [])
  const watch = await new Recorder(agent, ['', 'certificates/']).whenOnline()
  t.same([...watch.known.keys()], [KEY, ...keys.slice(1, 3)])
  await controller.registry.commit([put('certificates/other', '{}')])
  const { revision } = await controller.registry.commit([put('instances/web/b', value(1))])
  await watch.whenAt(revision)
  t.same(
    watch.changes.map(({ key }) => key),
    ['instances/web/b'],
  )
})

t.test('without the token nothing is answered', async (t) => {
  const controller = await startController(join(temporaryFolder(t), 'registry'))
  t.teardown(() => controller.stop())
  for (const token of [null, 'guess']) {
    const agent = open(t, controller.port, token)
    await t.rejects(agent.list(''), { code: 'unauthorized' })
    await t.rejects(agent.commit([put(KEY, value(1))]), { code: 'unauthorized' })
    await t.rejects(agent.grant({ ttlMs: 1000 }), { code: 'unauthorized' })
    const watch = new Recorder(agent, [''])
    await until(() => watch.connected.length > 0)
    t.match(watch.connected, [{ connected: false }])
    t.same(watch.listings, [])
  }
})

t.test('cut off for a moment, a watch goes on without a listing', async (t) => {
  const controller = await startController(join(temporaryFolder(t), 'registry'))
  t.teardown(() => controller.stop())
  const proxy = await TcpProxy.start(controller.port)
  t.teardown(() => proxy.stop())
  const watch = await new Recorder(open(t, proxy.port), ['instances/']).whenOnline()
  for (let round = 0; round < 5; round++) {
    proxy.cut()
    await until(() => !watch.online)
    await controller.registry.commit([put(`instances/web/r${round}`, value(1))])
    const { revision } = await controller.registry.commit([
      { type: 'delete', key: `instances/web/r${round - 1}` },
      put(`instances/web/x${round}`, value(1)),
    ])
    proxy.heal()
    await watch.whenAt(revision)
    await watch.whenOnline()
  }
  t.equal(watch.listings.length, 1)
  t.equal(watch.changes.length, 14, 'each change was delivered')
  t.same(watch.faults, [])
})

t.test('a controller that does not answer any more is noticed', async (t) => {
  const controller = await startController(join(temporaryFolder(t), 'registry'))
  t.teardown(() => controller.stop())
  const proxy = await TcpProxy.start(controller.port)
  t.teardown(() => proxy.stop())
  const agent = open(t, proxy.port)
  const watch = await new Recorder(agent, ['']).whenOnline()
  proxy.blackhole()
  await t.rejects(agent.list(''), { code: 'registry_unavailable' }, 'within a deadline')
  await until(() => !watch.online, { deadlineMs: 20_000 })
  proxy.reset()
  proxy.heal()
  await watch.whenOnline()
  t.same(watch.faults, [])
})

t.test('the controller starts again: the lease lives, the watch gets what is there', async (t) => {
  const folder = join(temporaryFolder(t), 'registry')
  const first = await startController(folder)
  const agent = open(t, first.port)
  const lease = await agent.grant({ ttlMs: 1500 })
  let lost = false
  void lease.lost.then(() => (lost = true))
  await agent.commit([{ ...put(KEY, value(1)), lease: lease.id }])
  const watch = await new Recorder(agent, ['instances/']).whenOnline()
  await first.stop()
  await until(() => !watch.online)
  const second = await startController(folder, first.port)
  t.teardown(() => second.stop())
  await watch.whenOnline()
  const other = await agent.grant({ ttlMs: 3000, keepAlive: false })
  await other.lost
  t.equal(lost, false)
  t.ok(watch.known.has(KEY))
  t.notOk(watch.listings.some(({ restored }) => restored))
  t.same(watch.faults, [])
})

t.test('another store behind the controller is reported as such', async (t) => {
  const folder = temporaryFolder(t)
  const first = await startController(join(folder, 'one'))
  const agent = open(t, first.port)
  for (let i = 0; i < 5; i++) {
    await agent.commit([put(KEY, value(i + 1))])
  }
  const watch = await new Recorder(agent, ['instances/']).whenOnline()
  await first.stop()
  const second = await startController(join(folder, 'two'), first.port)
  t.teardown(() => second.stop())
  await until(() => watch.listings.length > 1)
  t.match(watch.listings.at(-1), { restored: true, keys: [] })
})

t.test('the settings say which registry it is', async (t) => {
  const home = temporaryFolder(t)
  const port = await freePort()
  const etcd = { username: undefined, password: undefined, ca: undefined, key: undefined }
  const settings = (registry: string) =>
    ({ home, registry, cluster: 'main', etcd, agent: { token: TOKEN } }) as unknown as Settings
  const embedded = await openRegistry(settings('embedded'), { part: 'controller', log })
  await embedded.commit([put(KEY, value(1))])
  await t.rejects(openRegistry(settings('embedded'), { part: 'controller', log }), {
    code: 'conflict',
  })
  await embedded.close()
  await t.rejects(openRegistry(settings(`http://127.0.0.1:${port}`), { part: 'controller', log }), {
    code: 'invalid',
    field: 'registry',
  })
  for (const url of ['embedded', `http://127.0.0.1:${port}`, `etcd://127.0.0.1:${port}`]) {
    const registry = await openRegistry(settings(url), { part: 'agent', log })
    await t.rejects(registry.list(''), { code: 'registry_unavailable' }, url)
    await registry.close()
  }
})

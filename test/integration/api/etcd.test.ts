/** The API with etcd as the registry. */
import t from 'tap'
import { openEtcd } from '../../../registry/etcd/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import { problem, testApi } from '../../support/api.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'
import { until } from '../../../lab/until.js'

const A = '/v1/upstreams/web/instances/a'
const body = { host: '10.0.0.1', port: 9001 }

t.test('the API over a real etcd', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  const url = `etcd://127.0.0.1:${etcd.clientPort}`
  const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log })
  const { call, control } = await testApi(t, { registry, settings: { registry: url } })

  const first = await call('PUT', A, { ...body, ttlMs: 2000 })
  t.equal(first.status, 201)
  const again = await call('PUT', A, { ...body, ttlMs: 2000 })
  t.equal(again.body.revision, first.body.revision, 'a renewal is no change')
  t.equal((await call('DELETE', A)).status, 200)
  t.equal((await call('GET', A)).status, 404)
  t.same(control.suspects(), [], 'a deletion is not taken for an expiry')
  await call('PUT', A, { ...body, ttlMs: 2000 })
  await until(async () => (await call('GET', A)).status === 404, { what: 'expiry' })

  const operations = Array.from({ length: 1000 }, (_, i) => ({
    method: 'PUT',
    path: `/v1/upstreams/u${i % 7}/instances/i${i}`,
    body: { host: '10.0.0.1', port: i + 1 },
  }))
  const done = await call('POST', '/v1/batch', { operations })
  t.match(done, { status: 200, body: { applied: true, changes: 1000 } })
  t.match((await call('POST', '/v1/batch', { operations })).body, { changes: 0 })
  const { revision } = done.body
  const one = '/v1/upstreams/u0/instances/i0'
  t.match((await call('GET', one)).body, { revision }, 'all at one revision')
  const raced = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      call('PATCH', one, { weight: i + 2 }, { 'if-match': `"${revision}"` }),
    ),
  )
  t.equal(raced.filter(({ status }) => status === 200).length, 1)
  t.match(problem(await call('DELETE', one, undefined, { 'if-match': `"${revision}"` })), {
    code: 'changed',
  })
})

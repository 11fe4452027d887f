/** Records of a newer version: what an older controller's REST API changes of them, and keeps. */
import t from 'tap'
import { until } from '../../../lab/until.js'
import { problem, testApi } from '../../support/api.js'

const WEB = '/v1/upstreams/web'
const A = `${WEB}/instances/a`
const NEWER = {
  'upstreams/web': {
    policy: { balance: 'hash', hash: { key: 'uri', salt: 7 }, hedge: { afterMs: 9 } },
    mesh: 1,
  },
  'instances/web/a': { host: '10.0.0.7', port: 80, weight: 3, state: 'down', fleet: { x: [1] } },
  'instances/web/b': { host: '10.0.0.8', port: 80, agent: 'host-1', fleet: 'y' },
  'instances/web/c': { host: '10.0.0.9', port: 80, agent: 'host-1', needs: ['quic'] },
  'overrides/web/a': { drain: true, atMs: 5, reason: 'old', by: 'ann' },
  'upstreams/strict': { policy: {}, needs: ['mtls'] },
}

async function newer(t: Parameters<typeof testApi>[0]) {
  const test = await testApi(t)
  const { registry } = test.control
  await registry.commit(
    Object.entries(NEWER).map(([key, value]) => {
      return { type: 'put' as const, key, value: JSON.stringify(value) }
    }),
  )
  await until(() => test.control.desired().upstreams.get('web')?.instances.size === 2)
  const stored = async (key: string): Promise<object | undefined> => {
    const { entry } = await registry.get(key)
    return entry === undefined ? undefined : (JSON.parse(entry.value) as object)
  }
  return { ...test, stored }
}

t.test('a patch keeps the fields that this version does not know, and says so', async (t) => {
  const { call, stored } = await newer(t)
  const upstream = await call('PATCH', WEB, { policy: { slowStartMs: 5000 } })
  t.match(upstream, { status: 200, body: { policy: { balance: 'hash', slowStartMs: 5000 } } })
  t.match(upstream.body.warnings, [
    { code: 'fields_unknown', field: '', message: /mesh.*policy\.hedge|policy\.hedge.*mesh/ },
  ])
  t.match(await stored('upstreams/web'), {
    ...NEWER['upstreams/web'],
    policy: { ...NEWER['upstreams/web'].policy, slowStartMs: 5000 },
  })

  const instance = await call('PATCH', A, { weight: 5 })
  t.match(instance, { status: 200, body: { weight: 5 } })
  t.match(instance.body.warnings, [{ code: 'fields_unknown', message: /fleet/ }])
  t.same(await stored('instances/web/a'), { ...NEWER['instances/web/a'], weight: 5 })

  await call('POST', `${A}/drain`, { reason: 'new' })
  t.match(await stored('overrides/web/a'), { drain: true, reason: 'new', by: 'ann' })
})

t.test('a part that goes takes its fields with it, and a put replaces the whole', async (t) => {
  const { call, stored } = await newer(t)
  t.equal((await call('PATCH', WEB, { policy: { balance: 'random' } })).status, 200)
  t.same(await stored('upstreams/web'), {
    policy: { balance: 'random', hedge: { afterMs: 9 } },
    mesh: 1,
  })
  const put = await call('PUT', WEB, { policy: { balance: 'leastConn' } })
  t.notOk(put.body.warnings)
  t.same(await stored('upstreams/web'), { policy: { balance: 'leastConn' } })
  await call('PUT', A, { host: '10.0.0.7', port: 80 })
  t.same(Object.keys((await stored('instances/web/a')) ?? {}).sort(), [
    ...['host', 'port', 'state', 'weight'],
  ])
})

t.test('a patch sets no field that is not known, though it is stored', async (t) => {
  const { call, stored } = await newer(t)
  const own = await call('PATCH', WEB, { policy: { hedge: { afterMs: 1 } } })
  t.match(problem(own), { status: 400, field: 'policy.hedge' })
  t.match(problem(await call('PATCH', A, { fleet: 1 })), { status: 400, field: 'fleet' })
  t.same(await stored('upstreams/web'), NEWER['upstreams/web'])
})

t.test('what is an agent’s, or is not understood, is changed by nobody else', async (t) => {
  const { call, stored } = await newer(t)
  const put = { host: '10.0.0.7', port: 80 }
  for (const id of ['b', 'c']) {
    const path = `${WEB}/instances/${id}`
    t.match(await call('PUT', path, put), { status: 409 }, id)
    t.match(await call('PATCH', path, { weight: 2 }), { status: 409 }, id)
  }
  const strict = await call('PATCH', '/v1/upstreams/strict', { policy: { balance: 'random' } })
  t.match(strict, { status: 409, body: { detail: /is not valid; PUT it/ } })
  t.same(await stored('upstreams/strict'), NEWER['upstreams/strict'])
})

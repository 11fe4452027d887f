/** What `explain` says: of the registry, of each gateway, and of the part that did not match. */
import t from 'tap'
import { testApi } from '../../support/api.js'

const gateway = (id: string, applied: number, more: object = {}) => ({
  ...{ id, applied, desired: applied, lagMs: 0, connected: true, workers: 1, nginx: '', njs: '' },
  conditions: {},
  ...more,
})

t.test('every reason is named', async (t) => {
  const { call } = await testApi(t)
  await call('PUT', '/v1/upstreams/web/instances/a', { host: '10.0.0.1', port: 80 })
  const route = { hosts: ['a.test'], pathPrefix: '/api', upstream: 'web' }
  await call('PUT', '/v1/routes/plain', { ...route, pathPrefix: '/shop' })
  const headers = { 'x-canary': 'always' }
  await call('PUT', '/v1/routes/canary', { ...route, headers, methods: ['GET', 'HEAD'] })
  const explain = async (query: string) =>
    (await call('GET', `/v1/explain?host=a.test&${query}`)).body
  const met = await explain('path=/api/x&header=X-Canary:%20always')
  t.equal(met.route.id, 'canary')
  t.ok(met.why.includes('header x-canary is "always"'), met.why.join('\n'))
  t.ok(met.why.includes('the method is GET'), 'each condition that matched')
  const unmet = await explain('path=/api/x')
  t.equal(unmet.outcome, 'no_route')
  t.match(unmet.why.join('\n'), /canary at \/api does not fit: header x-canary is not "always"/)
  t.match(unmet.why.join('\n'), /the host and the path match, and the conditions of no route/)
  const elsewhere = await explain('path=/other')
  t.match(
    elsewhere.why.join('\n'),
    /the host matches and the path does not: a\.test has routes for \/(shop, \/api|api, \/shop) alone/,
  )
  for (const path of ['/api/../shop', '/api/%2e%2E%5cshop', '/..;/shop']) {
    const unclear = await explain(`path=${encodeURIComponent(path)}`)
    t.match(unclear, { outcome: 'answered', route: null }, path)
    t.match(unclear.why.join('\n'), /unclear_path/)
  }
  t.equal((await explain('path=/shop/a..b')).route.id, 'plain')
})

t.test('an upstream that is empty and known is 503, as it is for clients', async (t) => {
  const { call, control } = await testApi(t)
  const path = '/v1/upstreams/gone/instances/a'
  const outcome = async (host: string) =>
    (await call('GET', `/v1/explain?host=${host}.localhost`)).body.outcome
  await call('PUT', path, { host: '10.0.0.1', port: 80 })
  t.equal(await outcome('gone'), 'served')
  await call('DELETE', path)
  t.notOk(control.desired().upstreams.has('gone'))
  t.equal(await outcome('gone'), 'no_peer')
  t.equal(await outcome('never'), 'no_route')
})

t.test('desired and applied stand side by side, for each gateway', async (t) => {
  const { call, control } = await testApi(t)
  const { body } = await call('PUT', '/v1/upstreams/web/instances/a', {
    host: '10.0.0.1',
    port: 80,
  })
  const explain = async () => (await call('GET', '/v1/explain?host=web.localhost')).body
  control.gatewayViews.push(gateway('here', body.revision))
  t.match(await explain(), { outcome: 'served', applied: true, gateways: [{ current: true }] })
  const reason = 'the table is full'
  const conditions = { 'web/a': { state: 'down' as const, reason: 'connect refused' } }
  control.gatewayViews.push(
    gateway('full', 0, { reason, code: 'table_full' }),
    gateway('away', body.revision, { connected: false }),
    gateway('other', body.revision, { conditions }),
  )
  const explained = await explain()
  t.match(explained, {
    outcome: 'served',
    applied: false,
    gateways: [
      { id: 'here', current: true, down: {} },
      { id: 'full', applied: 0, desired: body.revision, current: false, reason },
      { id: 'away', connected: false, current: false },
      { id: 'other', current: true, down: { 'web/a': 'connect refused' } },
    ],
  })
  const why = explained.why.join('\n')
  t.match(why, /gateway full has revision 0, not \d+ \(the table is full\)/)
  t.match(why, /gateway away is not connected: what it does is not known/)
})

t.test(
  'who serves is said of each upstream and request, where nginx is left to choose',
  async (t) => {
    const { call, control } = await testApi(t)
    await call('PUT', '/v1/upstreams/web/instances/a', { host: '10.0.0.1', port: 80 })
    await call('PUT', '/v1/routes/web', { hosts: ['a.test'], upstream: 'web' })
    const get = async (path: string) => (await call('GET', path)).body
    for (const path of ['/v1/upstreams/web', '/v1/status', '/v1/explain?host=a.test']) {
      t.notOk('lane' in (await get(path)) || 'lanes' in (await get(path)), path)
    }

    const lane = { state: 'closed', reason: 'nobody is up', sinceAtMs: 5 } as const
    control.lanesView.current = {
      upstreams: new Map([['web', { upstream: 'web', ...lane }]]),
      counts: () => ({ open: 3, closed: 2, none: 1 }),
      isWritten: false,
      ofRequest: ({ host, path, upstream }) => ({
        state: 'none',
        reason: `${host} ${path} ${upstream}`,
      }),
    }
    t.same((await get('/v1/upstreams/web')).lane, lane)
    t.same((await get('/v1/upstreams')).upstreams[0].lane, lane)
    t.same((await get('/v1/status')).lanes, { open: 3, closed: 2, none: 1, written: false })
    // nginx chooses by the path as it was sent.
    const asked = await get(`/v1/explain?host=A.test&path=${encodeURIComponent('/a//b?c')}`)
    t.same(asked.lane, { state: 'none', reason: 'a.test /a//b?c web' })
    t.ok(asked.why.includes('the table serves it: a.test /a//b?c web'))
    t.notOk('lane' in (await get('/v1/explain?host=nowhere.test')), 'nobody serves that')
  },
)

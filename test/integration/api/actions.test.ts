// Routes that act, by REST: taken, shown, explained, refused by name.
import t from 'tap'
import { testApi } from '../../support/api.js'

const DOCS = '/v1/routes/docs'

t.test('taken, shown and explained', async (t) => {
  const { call } = await testApi(t)
  const route = {
    hosts: ['docs.test'],
    pathPrefix: '/docs',
    upstream: 'web',
    rewrite: { replacePrefix: '/v2' },
    upstreamHost: 'internal.example',
    redirect: { scheme: 'https', status: 301 },
    requestHeaders: { set: { 'X-A': 'b' }, remove: ['X-C'] },
    responseHeaders: { add: { Vary: 'Origin' } },
    timeouts: { readMs: 5000 },
    maxBodyBytes: 1000,
    buffering: true,
    mirror: { upstream: 'next', percent: 5 },
    upgrade: ['websocket', 'h2c'],
  }
  t.match(await call('PUT', DOCS, route), { status: 201, body: route })
  t.match((await call('GET', DOCS)).body, route)
  t.match((await call('GET', '/v1/routes')).body.routes[0], route)
  await call('PUT', '/v1/upstreams/web/instances/a', { host: '127.0.0.1', port: 9000 })
  const explained = await call('GET', '/v1/explain?host=docs.test&path=/docs/a')
  t.match(explained.body, {
    outcome: 'served',
    route: { id: 'docs', rewrite: { replacePrefix: '/v2' } },
    upstreams: [{ name: 'web', share: 1 }],
  })
  const why = explained.body.why.join('\n')
  t.match(why, /asked for \/v2\/a/)
  t.match(why, /Host internal\.example/)
  t.match(why, /answered 301, to scheme https, unless/)
  t.match(why, /sets X-A, removes X-C in the request/)
  t.match(why, /adds Vary in the answer/)
  t.match(why, /5000 ms.* 504\n.*1000 bytes.* 413\n.*on\n5 % .*next/)

  await call('PUT', DOCS, { ...route, maintenance: { body: 'soon' } })
  t.match((await call('GET', '/v1/explain?host=docs.test&path=/docs')).body, {
    outcome: 'answered',
    why: [/exactly/, /prefix/, /under maintenance and answers 503/],
    upstreams: [],
  })
})

t.test('refused by name, and what was there stays', async (t) => {
  const { call } = await testApi(t)
  const route = { hosts: ['docs.test'], upstream: 'web', rewrite: { stripPrefix: true } }
  await call('PUT', DOCS, route)
  const bad = await call('PUT', DOCS, { ...route, rewrite: { replacePrefix: 'v2' } })
  t.match(bad, { status: 400, body: { code: 'invalid', field: 'rewrite.replacePrefix' } })
  const unknown = await call('PUT', DOCS, { ...route, rewrites: {} })
  t.match(unknown, { status: 400, body: { field: 'rewrites' } })
  const bare = await call('PUT', DOCS, { hosts: ['docs.test'], rewrite: { stripPrefix: true } })
  t.match(bare, { status: 400, body: { field: 'upstream' } })
  t.match((await call('GET', DOCS)).body, route)
})

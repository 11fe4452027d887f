/**
 * Conditional requests (RFC 9110), the methods a path takes, warnings of likely typing errors, and
 * the order in which changes are written.
 */
import t from 'tap'
import type { ChangeCall } from '../../../controller/api/change/change-call.js'
import { Committer } from '../../../controller/api/change/committer.js'
import { Touched } from '../../../controller/api/change/last-touched.js'
import { problem, testApi } from '../../support/api.js'

const A = '/v1/upstreams/web/instances/a'
const at = (port: number) => ({ host: '10.0.0.1', port })

t.test('If-None-Match: * makes, and never replaces', async (t) => {
  const { call } = await testApi(t)
  const isNew = { 'if-none-match': '*' }
  const route = { hosts: ['a.test'], upstream: 'web' }
  for (const [path, body] of [
    [A, at(9001)],
    ['/v1/routes/app', route],
    ['/v1/upstreams/shop', {}],
  ] as const) {
    t.equal((await call('PUT', path, body, isNew)).status, 201, path)
    const again = problem(await call('PUT', path, body, isNew))
    t.match(again, { status: 412, code: 'changed' }, path)
  }
  t.equal((await call('GET', A)).body.port, 9001)
  t.match(problem(await call('PUT', A, at(1), { 'if-none-match': 'x' })), {
    status: 400,
    field: 'If-None-Match',
  })
  const none = '/v1/upstreams/web/instances/none'
  t.match(problem(await call('PUT', none, at(1), { 'if-match': '*' })), { status: 412 })
  t.equal((await call('PUT', A, at(9002), { 'if-match': '*' })).status, 200, 'only if it is there')
  const { etag } = (await call('GET', A)).headers
  t.match(problem(await call('DELETE', A, undefined, { 'if-none-match': String(etag) })), {
    status: 412,
  })
})

t.test('If-None-Match on a read: 304 and no body, until it changes', async (t) => {
  const { call } = await testApi(t)
  await call('PUT', A, at(9001))
  await call('PUT', '/v1/routes/app', { hosts: ['a.test'], upstream: 'web' })
  for (const path of [A, '/v1/routes/app', '/v1/upstreams/web', '/v1/routes', '/v1/upstreams']) {
    const first = await call('GET', path)
    const etag = String(first.headers.etag)
    t.match(etag, /^"\d+"$/, path)
    const known = await call('GET', path, undefined, { 'if-none-match': `"0", W/${etag}` })
    t.equal(known.status, 304, path)
    t.equal(known.headers.etag, etag)
    t.notOk(known.body, 'no body')
    const other = await call('GET', path, undefined, { 'if-none-match': '"999"' })
    t.same(other.body, first.body, path)
  }
  const before = String((await call('GET', A)).headers.etag)
  await call('PUT', A, at(9002))
  const after = await call('GET', A, undefined, { 'if-none-match': before })
  t.match(after, { status: 200, body: { port: 9002 } })
})

t.test('warnings name the field, and a batch is judged as a whole', async (t) => {
  const { call } = await testApi(t)
  await call('PUT', A, at(9001))
  const route = {
    hosts: ['a.test'],
    split: [
      { upstream: 'web', weight: 1 },
      { upstream: 'wbe', weight: 1 },
    ],
  }
  t.match(await call('PUT', '/v1/routes/app', route), {
    status: 201,
    body: {
      applied: true,
      warnings: [
        { code: 'upstream_unknown', field: 'split[1].upstream', message: /did you mean web\?/ },
      ],
    },
  })
  const port = await call('PUT', '/v1/routes/db', { port: 9100, protocol: 'tcp', upstream: 'db' })
  t.match(port.body.warnings, [{ code: 'upstream_unknown', field: 'upstream' }])
  const mirror = { hosts: ['m.test'], upstream: 'web', mirror: { upstream: 'none', percent: 5 } }
  const mirrored = await call('PUT', '/v1/routes/m', mirror)
  t.match(mirrored.body.warnings, [{ field: 'mirror.upstream' }])
  const policy = await call('PUT', '/v1/upstreams/new', {})
  t.match(policy.body.warnings, [{ code: 'upstream_empty', field: '' }])
  const sound = await call('PUT', '/v1/routes/sound', { hosts: ['s.test'], upstream: 'web' })
  t.notOk('warnings' in sound.body)
  const operations = [
    { method: 'PUT', path: '/v1/routes/x', body: { hosts: ['x.test'], upstream: 'late' } },
    { method: 'PUT', path: '/v1/routes/y', body: { hosts: ['y.test'], upstream: 'never' } },
    { method: 'PUT', path: '/v1/upstreams/late/instances/a', body: at(9003) },
  ]
  const [rehearsed, done] = [
    await call('POST', '/v1/batch', { operations, dryRun: true }),
    await call('POST', '/v1/batch', { operations }),
  ]
  for (const { body } of [rehearsed, done]) {
    t.match(body.warnings, [{ code: 'upstream_unknown', field: 'operations[1].body.upstream' }])
    t.equal(body.warnings.length, 1, 'what a later operation makes is known')
  }
})

t.test('a path that has other methods names them', async (t) => {
  const { call } = await testApi(t)
  for (const [path, allow] of [
    [A, 'DELETE, GET, HEAD, PATCH, PUT'],
    [`${A}/drain`, 'POST'],
    ['/v1/events', 'GET'],
    ['/v1/registry/commit', 'POST'],
  ] as const) {
    const refused = await call('OPTIONS', path)
    t.match(problem(refused), { status: 405, code: 'method_not_allowed' }, path)
    t.equal(refused.headers.allow, allow)
  }
  t.match(problem(await call('OPTIONS', '/v1/nowhere')), { status: 404, code: 'not_found' })
})

t.test('a single change is written before the batches that wait', async (t) => {
  const { control } = await testApi(t)
  const committer = new Committer(control, new Touched())
  const who = { caller: 'socket' as const, requestId: 'r' }
  const call = (id: string): ChangeCall => ({
    operationId: 'putRoute',
    target: { kind: 'route', id },
    body: { hosts: [`${id}.test`], upstream: 'web' },
  })
  const commit = (calls: ChangeCall[]) => committer.commit(calls, who, (error) => error)
  const batches = Array.from({ length: 4 }, (_, n) =>
    commit(Array.from({ length: 100 }, (_each, i) => call(`r${n}-${i}`))),
  )
  const same = commit([call('r2-7')])
  const single = commit([call('single')])
  const [first, second, third] = await Promise.all(batches)
  t.ok((await single).revision > (first?.revision ?? 0), 'after the one under way')
  t.ok((await single).revision < (second?.revision ?? 0), 'before those that wait')
  t.ok((await same).revision >= (third?.revision ?? 0), 'a route that waits is changed in order')
})

t.test('a thousand typing errors cost no more than a few', async (t) => {
  const { control } = await testApi(t)
  const committer = new Committer(control, new Touched())
  const call = (operationId: string, target: ChangeCall['target'], body: object): ChangeCall => ({
    ...{ operationId, target, body },
  })
  const made = Array.from({ length: 900 }, (_, i) =>
    call('putUpstream', { kind: 'upstream', upstream: `some-service-${i}` }, {}),
  )
  await committer.commit(made, { caller: 'socket', requestId: 'r' }, (error) => error)
  const timed = async (count: number): Promise<[ms: number, hints: number]> => {
    const calls = Array.from({ length: count }, (_, i) => {
      const body = { hosts: [`h${i}.test`], upstream: `some-servise-${i}` }
      return call('putRoute', { kind: 'route', id: `r${i}` }, body)
    })
    const startedMs = performance.now()
    const { warnings } = await committer.rehearse(calls, (error) => error)
    const hints = warnings.filter(({ message }) => message.includes('did you mean')).length
    t.equal(warnings.length, count)
    return [performance.now() - startedMs, hints]
  }
  await timed(2)
  const [few, fewHints] = await timed(2)
  const [many, manyHints] = await timed(1000)
  t.same([fewHints, manyHints], [2, 2])
  t.ok(many < few * 100, `${many} ms for 1000, and ${few} ms for 2`)
})

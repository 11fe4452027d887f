/** The REST API: what it takes, refuses and answers. */
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { CODES } from '../../../contract/codes.js'
import { problem, testApi } from '../../support/api.js'
import { SESSION_KEY } from '../../support/control.js'
import type { Json } from '../../support/http-call.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

const require = createRequire(import.meta.url)
const A = '/v1/upstreams/web/instances/a'
const B = '/v1/upstreams/web/instances/b'
const sticky = (given: object) => ({ policy: { sticky: given } })
const at = (port: number, more: object = {}) => ({ host: '127.0.0.1', port, ...more })

t.test('an instance is put, read, changed and deleted', async (t) => {
  const { call } = await testApi(t)
  const put = await call('PUT', A, { host: '::ffff:127.0.0.1', port: 9001, metadata: { v: '1' } })
  t.equal(put.status, 201)
  t.match(put.body, {
    id: 'a',
    host: '127.0.0.1',
    weight: 1,
    state: 'up',
    applied: true,
    revision: 1,
  })
  t.equal(put.headers.etag, '"1"')
  const again = await call('PUT', A, at(9001, { metadata: { v: '1' } }))
  t.equal(again.status, 200)
  t.equal(again.body.revision, 1, 'the same again does not move the revision')
  const patched = await call('PATCH', A, { weight: 7, metadata: { v: null, w: '2' } })
  t.match(patched.body, { port: 9001, weight: 7, metadata: { w: '2', v: undefined }, revision: 2 })
  t.same((await call('GET', A)).body, {
    id: 'a',
    ...at(9001),
    weight: 7,
    state: 'up',
    metadata: { w: '2' },
    active: 0,
    revision: 2,
  })
  t.same((await call('GET', '/v1/upstreams')).body, {
    revision: 2,
    upstreams: [{ name: 'web', policy: { balance: 'random' }, up: 1, draining: 0, down: 0 }],
  })
  const one = await call('GET', '/v1/upstreams/web')
  t.match(one.body, { name: 'web', policy: { balance: 'random' }, revision: 2 })
  t.equal(one.headers.etag, '"2"')
  t.match(one.body.instances, [{ id: 'a', active: 0, state: 'up' }])
  t.same((await call('DELETE', A)).body, { applied: true, revision: 3 })
  t.match(problem(await call('DELETE', A)), { code: 'not_found' })
  t.match(problem(await call('GET', '/v1/upstreams/web')), { code: 'not_found' }, 'nothing is left')
})

t.test('an upstream with a policy of its own', async (t) => {
  const { call } = await testApi(t)
  t.equal((await call('PUT', '/v1/upstreams/web', {})).status, 201)
  const same = await call('PUT', '/v1/upstreams/web', { policy: { balance: 'random' } })
  t.match(same, { status: 200, body: { name: 'web', revision: 1, applied: true } })
  t.match((await call('PATCH', '/v1/upstreams/web', { policy: null })).status, 200)
  await call('PUT', A, at(9001))
  t.same(problem(await call('DELETE', '/v1/upstreams/web')), { status: 409, code: 'not_empty' })
  await call('POST', `${A}/drain`)
  t.equal((await call('DELETE', '/v1/upstreams/web?force=true')).status, 200)
  t.match(problem(await call('DELETE', '/v1/upstreams/web')), { code: 'not_found' })
  t.match((await call('PUT', A, at(9001))).body, { state: 'up' }, 'its drains went with it')
  t.equal((await call('PATCH', '/v1/upstreams/web', {})).status, 200, 'it is there by its instance')
  t.match(problem(await call('PATCH', '/v1/upstreams/other', {})), { code: 'not_found' })
})

t.test('an upstream that is reached over TLS', async (t) => {
  const { call } = await testApi(t)
  const WEB = '/v1/upstreams/web'
  const tls = { serverName: 'shop.internal', verify: true }
  const put = await call('PUT', WEB, { tls: { serverName: 'shop.internal' } })
  t.match(put, { status: 201, body: { policy: { balance: 'random' }, tls } })
  t.same((await call('GET', WEB)).body.tls, tls)
  t.same((await call('GET', '/v1/upstreams')).body.upstreams[0].tls, tls)
  const kept = await call('PATCH', WEB, { policy: { balance: 'roundRobin' } })
  t.match(kept.body, { policy: { balance: 'roundRobin' }, tls })
  const changed = await call('PATCH', WEB, { tls: { verify: false } })
  t.match(changed.body.tls, { ...tls, verify: false })
  const bad = await call('PATCH', WEB, { tls: { serverName: null, verify: true } })
  t.same(problem(bad), { status: 400, code: 'invalid', field: 'tls.serverName' })
  t.match(problem(await call('PUT', WEB, { tls: { ca: 'x' } })), { field: 'tls.ca' })
  t.match(problem(await call('PUT', WEB, { tls: true })), { field: 'tls' })
  await call('PUT', A, at(9001))
  const { body } = await call('GET', '/v1/explain?host=web.localhost')
  t.same(body.upstreams[0].tls, { ...tls, verify: false })
  const how = 'upstream web: reached over TLS as shop.internal, certificates not verified'
  t.ok(body.why.includes(how), body.why.join())
  t.equal((await call('PATCH', WEB, { tls: null })).body.tls, undefined)
})

t.test('a part of a policy that becomes one of another kind starts anew', async (t) => {
  const { call } = await testApi(t)
  const WEB = '/v1/upstreams/web'
  const policy = {
    ...{ balance: 'hash', hash: { key: 'uri' }, sticky: { by: 'cookie', name: 'id' } },
    check: { type: 'http', path: '/health' },
  }
  t.equal((await call('PUT', WEB, { policy })).status, 201)
  const change = {
    ...{ balance: 'leastConn', sticky: { by: 'route', key: 'cookie:id' } },
    check: { type: 'tcp' },
  }
  const { body } = await call('PATCH', WEB, { policy: change })
  t.match(body.policy, { balance: 'leastConn', check: { type: 'tcp' } })
  t.same(body.policy.sticky, { by: 'route', key: 'cookie:id', keepDraining: false })
  t.equal(body.policy.hash, undefined)
  const kept = await call('PATCH', WEB, { policy: { check: { fall: 7 } } })
  t.match(kept.body.policy, { sticky: { by: 'route' }, check: { type: 'tcp', fall: 7 } })
})

t.test('a policy is put, changed part by part, and read', async (t) => {
  const { call } = await testApi(t)
  const WEB = '/v1/upstreams/web'
  const policy = {
    balance: 'hash',
    hash: { key: 'header:X-User', loadPercent: 150 },
    sticky: { by: 'cookie', ttlMs: 60_000 },
    retry: { statuses: [503] },
    eject: { errorPercent: 50 },
    slowStartMs: 5000,
    zone: 'ignore',
  }
  const whole = {
    ...policy,
    hash: { key: 'header:x-user', loadPercent: 150 },
    sticky: {
      ...{ by: 'cookie', name: 'sluice', ttlMs: 60_000, path: '/', secure: false },
      ...{ httpOnly: true, sameSite: 'lax', keepDraining: false },
    },
    retry: { tries: 8, timeoutMs: 0, statuses: [503], nonIdempotent: false },
    eject: {
      ...{ maxFails: 3, failTimeoutMs: 10_000, errorPercent: 50 },
      ...{ mostPercent: 100, panicPercent: 0 },
    },
  }
  t.same((await call('PUT', WEB, { policy })).body.policy, whole)
  t.same((await call('GET', WEB)).body.policy, whole)
  t.same((await call('GET', '/v1/upstreams')).body.upstreams[0].policy, whole)
  const change = {
    ...{ balance: 'leastConn', hash: null, eject: null, zone: null },
    ...{ retry: { statuses: null, tries: 2 }, sticky: { secure: true } },
  }
  const patched = await call('PATCH', WEB, { policy: change })
  t.same(patched.body.policy, {
    balance: 'leastConn',
    sticky: { ...whole.sticky, secure: true },
    retry: { tries: 2, timeoutMs: 0, statuses: [], nonIdempotent: false },
    slowStartMs: 5000,
  })
  const mixed = await call('PATCH', WEB, { policy: { sticky: { key: 'uri' } } })
  t.match(problem(mixed), { code: 'invalid' }, 'a cookie has no key')
  t.same((await call('PUT', WEB, {})).body.policy, { balance: 'random' })
})

t.test('an instance has limits, a zone, and may be a backup', async (t) => {
  const { call } = await testApi(t)
  const put = await call('PUT', A, at(9001, { maxConns: 10, backup: true, zone: 'eu-1a' }))
  t.match(put.body, { maxConns: 10, backup: true, zone: 'eu-1a' })
  t.match((await call('GET', A)).body, { maxConns: 10, backup: true, zone: 'eu-1a' })
  const { body } = await call('PATCH', A, { maxConns: 20, backup: null, zone: null })
  t.same([body.maxConns, body.backup, body.zone], [20, undefined, undefined])
  const zero = await call('PATCH', A, { weight: 0 })
  t.match(problem(zero), { code: 'invalid', field: 'weight' })
  t.match(zero.body.detail, /to stop traffic, drain/)
})

t.test('input is refused by name', async (t) => {
  const { call, control } = await testApi(t)
  const tcp = { port: 9105, protocol: 'tcp', upstream: 'web' }
  const refusals: Array<[method: string, path: string, body: unknown, field: string | undefined]> =
    [
      ['PUT', A, undefined, undefined],
      ['PUT', A, [], undefined],
      ['PUT', A, at(0), 'port'],
      ['PUT', A, at(9001, { weight: 0 }), 'weight'],
      ['PUT', A, at(9001, { wieght: 1 }), 'wieght'],
      ['PUT', A, at(9001, { state: 'up' }), 'state'],
      ['PUT', A, at(9001, { ttlMs: 5 }), 'ttlMs'],
      ['PUT', A, at(9001, { metadata: { a: 1 } }), 'metadata'],
      ['PUT', A, at(8080), 'port'],
      ['PUT', A, { host: 'web.example.com', port: 80 }, 'host'],
      ['PUT', A, { host: '169.254.169.254', port: 80 }, 'host'],
      ['PUT', '/v1/upstreams/Web/instances/a', at(9001), 'upstream'],
      ['PUT', '/v1/upstreams/web/instances/a%20b', at(9001), 'id'],
      ['PUT', `/v1/upstreams/web/instances/${'x'.repeat(129)}`, at(9001), 'id'],
      ['PUT', `${A}?wait=all`, at(9001), 'wait'],
      ['PUT', `${A}?dryRun=1`, at(9001), 'dryRun'],
      ['GET', '/v1/upstreams?x=1', undefined, 'x'],
      ['DELETE', A, { a: 1 }, 'a'],
      ['PUT', '/v1/upstreams/web', { policy: { balance: 'best' } }, 'policy.balance'],
      ['PUT', '/v1/upstreams/web', { policy: { balance: 'hash' } }, 'policy.hash'],
      ['PUT', '/v1/upstreams/web', { policy: { hash: { key: 'uri' } } }, 'policy.hash'],
      ['PUT', '/v1/upstreams/web', sticky({ by: 'cookie', name: 'a b' }), 'policy.sticky.name'],
      ['PUT', '/v1/upstreams/web', sticky({ by: 'ip' }), 'policy.sticky.by'],
      ['PUT', '/v1/upstreams/web', sticky({ by: 'route' }), 'policy.sticky.key'],
      ['PUT', '/v1/upstreams/web', { policy: { retry: { tries: 0 } } }, 'policy.retry.tries'],
      ['PUT', '/v1/upstreams/web', { policy: { eject: { x: 1 } } }, 'policy.eject.x'],
      ['PUT', '/v1/upstreams/web', { policy: { ballance: 'random' } }, 'policy.ballance'],
      ['PUT', A, at(9001, { maxConns: 0 }), 'maxConns'],
      ['PUT', A, at(9001, { backup: 'yes' }), 'backup'],
      ['PUT', A, at(9001, { zone: 'EU 1' }), 'zone'],
      ['PUT', '/v1/routes/r', { hosts: [], upstream: 'web' }, 'hosts'],
      ['PUT', '/v1/routes/r', { hosts: ['a b'], upstream: 'web' }, 'hosts[0]'],
      ['PUT', '/v1/routes/r', { hosts: ['a', 'a.*.b'], upstream: 'web' }, 'hosts[1]'],
      ['PUT', '/v1/routes/r', { hosts: ['a'], headers: { 'a b': '1' } }, 'headers.a b'],
      ['PUT', '/v1/routes/r', { hosts: ['a'], methods: ['get'] }, 'methods[0]'],
      ['PUT', '/v1/routes/r', { hosts: ['a'], upstream: 'web', split: [] }, 'upstream'],
      ['PUT', '/v1/routes/r', { port: 0, protocol: 'tcp', upstream: 'web' }, 'port'],
      ['PUT', '/v1/routes/r', { port: 9100, upstream: 'web' }, 'protocol'],
      ['PUT', '/v1/routes/r', { port: 9100, protocol: 'sctp', upstream: 'web' }, 'protocol'],
      ['PUT', '/v1/routes/r', { port: 9100, protocol: 'tcp' }, 'upstream'],
      ['PUT', '/v1/routes/r', { port: 9100, protocol: 'tcp', hosts: ['a'] }, 'hosts'],
      ['PUT', '/v1/routes/r', { ...tcp, timeouts: { idleMs: 1500 } }, 'timeouts.idleMs'],
      ['PUT', '/v1/routes/r', { ...tcp, timeouts: { readMs: 1000 } }, 'timeouts.readMs'],
      ['PUT', '/v1/routes/r', { ...tcp, timeouts: { idle: 1000 } }, 'timeouts.idle'],
      ['PUT', '/v1/routes/r', { ...tcp, timeouts: {} }, 'timeouts.idleMs'],
      ['PUT', '/v1/routes/r', { ...tcp, proxyProtocol: 'v2' }, 'proxyProtocol'],
      ['PUT', '/v1/routes/r', { ...tcp, proxyProtocol: true }, 'proxyProtocol'],
      ['PUT', '/v1/routes/r', { ...tcp, protocol: 'udp', proxyProtocol: 'v1' }, 'proxyProtocol'],
      ['PUT', '/v1/routes/r', { ...tcp, protocol: 'udp', timeouts: { idleMs: 1000 } }, 'timeouts'],
      [
        'PUT',
        '/v1/routes/r',
        { hosts: ['a'], upstream: 'web', timeouts: { idleMs: 1000 } },
        'timeouts.idleMs',
      ],
      [
        'PUT',
        '/v1/routes/r',
        { hosts: ['a'], upstream: 'web', proxyProtocol: 'v1' },
        'proxyProtocol',
      ],
      ['PUT', '/v1/routes/r', { sni: ['a'], hosts: ['a'], upstream: 'web' }, 'hosts'],
      ['PUT', '/v1/routes/r', { sni: ['a'], port: 0, upstream: 'web' }, 'port'],
      ['PUT', '/v1/routes/r', { sni: ['a'], protocol: 'tcp', upstream: 'web' }, 'protocol'],
      ['PUT', '/v1/routes/r', { sni: 'a', upstream: 'web' }, 'sni'],
      ['PUT', '/v1/routes/r', { sni: [], upstream: 'web' }, 'sni'],
      ['PUT', '/v1/routes/r', { sni: ['a', 'b.*'], upstream: 'web' }, 'sni[1]'],
      ['PUT', '/v1/routes/r', { sni: ['*'], upstream: 'web' }, 'sni[0]'],
      ['PUT', '/v1/routes/r', { sni: ['a.*.b'], upstream: 'web' }, 'sni[0]'],
      ['PUT', '/v1/routes/r', { sni: ['*a.b'], upstream: 'web' }, 'sni[0]'],
      ['PUT', '/v1/routes/r', { sni: ['10.0.0.7'], upstream: 'web' }, 'sni[0]'],
      ['PUT', '/v1/routes/r', { sni: ['a', 'A.'], upstream: 'web' }, 'sni[1]'],
      ['PUT', '/v1/routes/r', { sni: ['a'] }, 'upstream'],
      ['PUT', '/v1/routes/r', { hosts: ['a'], upstream: 'Web!' }, 'upstream'],
      [
        'PUT',
        '/v1/routes/r',
        { hosts: ['a'], split: [{ upstream: 'b', weight: 1, when: {} }] },
        'split[0].when',
      ],
      [
        'PUT',
        '/v1/routes/r',
        {
          ...{ port: 9100, protocol: 'tcp' },
          split: [{ upstream: 'b', weight: 1, when: { methods: ['GET'] } }],
        },
        'split[0].when',
      ],
      ['POST', `${A}/drain`, { waitMs: -1 }, 'waitMs'],
      ['POST', `${A}/drain`, { waitMs: 600_001 }, 'waitMs'],
      ['POST', `${A}/drain`, { reason: 7 }, 'reason'],
      ['POST', `${A}/drain`, { why: 'x' }, 'why'],
      ['POST', '/v1/batch', { operations: [] }, 'operations'],
      ['POST', '/v1/batch', {}, 'operations'],
      ['POST', '/v1/batch', { operations: [{ method: 'GET', path: '/' }] }, 'operations[0].method'],
      ['POST', '/v1/batch', { operations: [{ method: 'PUT', path: A, x: 1 }] }, 'operations[0].x'],
      ['POST', '/v1/suspects/confirm', { upstream: 'A' }, 'upstream'],
      ['GET', '/v1/explain', undefined, 'host'],
      ['GET', '/v1/events?from=x', undefined, 'from'],
    ]
  for (const [method, path, body, field] of refusals) {
    const expected = { status: 400, code: 'invalid', ...(field !== undefined && { field }) }
    t.same(
      problem(await call(method, path, body)),
      expected,
      `${method} ${path} ${JSON.stringify(body)}`,
    )
  }
  t.equal(control.desired().revision, 0, 'nothing was written')
})

t.test('what is not there, what does not fit, what is no JSON', async (t) => {
  const { call, raw, api } = await testApi(t)
  const authorization = `Bearer ${api.token}`
  for (const path of [
    '/v1/nothing',
    '/v1/certificates/x',
    '/v1/upstreams/web',
    A,
    '/v1/routes/r',
  ]) {
    t.same(problem(await call('GET', path)), { status: 404, code: 'not_found' }, path)
  }
  for (const action of ['drain', 'undrain']) {
    t.match(problem(await call('POST', `${A}/${action}`)), { code: 'not_found' })
  }
  t.match(problem(await call('PATCH', A, { weight: 2 })), { code: 'not_found' })
  t.match(problem(await call('DELETE', '/v1/routes/r')), { code: 'not_found' })
  const wrong = await call('PATCH', '/v1/routes/r', {})
  t.same(problem(wrong), { status: 405, code: 'method_not_allowed' })
  t.equal(wrong.headers.allow, 'DELETE, GET, HEAD, PUT')
  const bodies: Array<[string, string, object]> = [
    ['{"host":', 'application/json', { status: 400, code: 'invalid' }],
    ['{"__proto__": {}}', 'application/json', { status: 400, code: 'invalid' }],
    [
      'host=1',
      'application/x-www-form-urlencoded',
      { status: 415, code: 'unsupported_media_type' },
    ],
    ['{}', 'text/plain', { status: 415, code: 'unsupported_media_type' }],
  ]
  for (const [body, type, expected] of bodies) {
    const headers = { authorization, 'content-type': type }
    t.same(problem(await raw(A, { method: 'PUT', body, headers })), expected, type)
  }
  const patched = await raw(A, {
    method: 'PATCH',
    body: '{"weight":2}',
    headers: { authorization, 'content-type': 'application/merge-patch+json' },
  })
  t.same(problem(patched), { status: 404, code: 'not_found' }, 'what RFC 7396 calls it')
  const large = JSON.stringify({ host: '127.0.0.1', port: 1, pad: 'x'.repeat(1024 * 1024) })
  t.same(problem(await call('PUT', A, large)), { status: 413, code: 'too_large' })
  const huge = JSON.stringify({ operations: 'x'.repeat(8 * 1024 * 1024) })
  t.same(problem(await call('POST', '/v1/batch', huge)), { status: 413, code: 'too_large' })
  t.match(problem(await call('GET', '/v1/upstreams/%zz')), { status: 400, code: 'invalid' })
})

t.test('If-Match lets a write go on only from the revision it names', async (t) => {
  const { call } = await testApi(t)
  const ifMatch = (revision: string) => ({ 'if-match': revision })
  t.equal((await call('PUT', A, at(9001), ifMatch('"0"'))).status, 201, 'only if it is new')
  t.same(problem(await call('PUT', A, at(9001), ifMatch('"0"'))), { status: 412, code: 'changed' })
  await call('PUT', B, at(9002))
  t.equal((await call('PUT', A, at(9003), ifMatch('"1"'))).status, 200, 'another changed, not this')
  t.match(problem(await call('PATCH', A, { weight: 2 }, ifMatch('"2"'))), { code: 'changed' })
  t.match(problem(await call('DELETE', A, undefined, ifMatch('"2"'))), { code: 'changed' })
  t.match(problem(await call('DELETE', A, undefined, ifMatch('"99"'))), { code: 'changed' })
  t.match(problem(await call('PUT', '/v1/upstreams/web/instances/c', at(1), ifMatch('"3"'))), {
    code: 'changed',
  })
  for (const malformed of ['1', 'W/"1"', '"x"', '"1", "2"']) {
    const refused = await call('PUT', A, at(9001), ifMatch(malformed))
    t.match(problem(refused), { status: 400, field: 'If-Match' }, malformed)
  }
  const drained = await call('POST', `${A}/drain`)
  t.match(
    problem(await call('PUT', A, at(1), ifMatch('"3"'))),
    { code: 'changed' },
    'a drain counts',
  )
  await call('POST', `${A}/undrain`)
  const since = ifMatch(String(drained.headers.etag))
  t.match(
    problem(await call('DELETE', A, undefined, since)),
    { code: 'changed' },
    'and so does its end',
  )
  const upstream = await call('GET', '/v1/upstreams/web')
  await call('DELETE', B)
  const stale = ifMatch(String(upstream.headers.etag))
  t.match(problem(await call('DELETE', '/v1/upstreams/web?force=true', undefined, stale)), {
    code: 'changed',
  })
})

t.test('of many that race with one revision one wins, and without it none is lost', async (t) => {
  const { call } = await testApi(t)
  await call('PUT', A, at(9001))
  const headers = { 'if-match': '"1"' }
  const racers = Array.from({ length: 20 }, (_, i) => i)
  const raced = await Promise.all(racers.map((i) => call('PATCH', A, { weight: i + 2 }, headers)))
  t.equal(raced.filter(({ status }) => status === 200).length, 1)
  t.equal(raced.filter(({ status }) => status === 412).length, 19)
  const patch = (i: number) => call('PATCH', A, { metadata: { [`k${i}`]: 'x' } })
  const patched = await Promise.all(racers.map(patch))
  t.ok(patched.every(({ status }) => status === 200))
  t.equal(Object.keys((await call('GET', A)).body.metadata).length, 20)
  const mixed = racers.map((i) => {
    const operations = [{ method: 'PATCH', path: A, body: { metadata: { [`b${i}`]: 'x' } } }]
    const single = () => call('PATCH', A, { metadata: { [`k${i}`]: null } })
    return i % 2 === 0 ? call('POST', '/v1/batch', { operations }) : single()
  })
  t.same([...new Set((await Promise.all(mixed)).map(({ status }) => status))], [200])
  t.equal(Object.keys((await call('GET', A)).body.metadata).length, 20)
})

t.test('drain waits for what is in flight, and lasts until it is undone', async (t) => {
  const { call, control } = await testApi(t)
  await call('PUT', A, at(9001))
  control.inFlight.set('web/a', 3)
  const drained = await call('POST', `${A}/drain`, { reason: 'deploy' })
  t.same(drained.body, {
    ...{ state: 'draining', active: 3, drained: false, applied: true, revision: 2 },
    notDrained: [{ gateway: 'here', active: 3 }],
  })
  t.same((await call('POST', `${A}/drain`, {})).body.revision, 2, 'once is enough')
  t.match((await call('GET', A)).body, { state: 'draining', reason: 'deploy', active: 3 })
  t.match((await call('PUT', A, at(9001, { weight: 2 }))).body, { state: 'draining' })
  await call('DELETE', A)
  t.match((await call('PUT', A, at(9001))).body, { state: 'draining' }, 'also when registered anew')

  const waiting = call('POST', `${A}/drain`, { waitMs: 60_000 })
  control.inFlight.set('web/a', 0)
  t.match((await waiting).body, { active: 0, drained: true })
  control.inFlight.set('web/a', 1)
  t.match((await call('POST', `${A}/drain`, { waitMs: 60 })).body, { active: 1, drained: false })
  const undone = call('POST', `${A}/drain`, { waitMs: 60_000 })
  await call('POST', `${A}/undrain`)
  control.inFlight.set('web/a', 0)
  t.match(await undone, { status: 409, body: { code: 'conflict', detail: /was undrained/ } })
  control.inFlight.set('web/a', 1)
  control.inFlight.set('web/a', undefined)
  t.match((await call('POST', `${A}/drain`, { waitMs: 1 })).body, { active: null, drained: false })
  t.match((await call('POST', `${A}/undrain`)).body, { state: 'up', applied: true })
  t.match((await call('POST', `${A}/undrain`, {})).body, { state: 'up', applied: true })
})

t.test('what a gateway found out about instances', async (t) => {
  const { call, control } = await testApi(t)
  const B = '/v1/upstreams/web/instances/b'
  await call('PUT', A, at(9001))
  await call('PUT', B, at(9002))
  const reason = 'ejected until later: 3 failures'
  control.conditions.set('web', new Map([['a', { state: 'down', reason }]]))
  t.match((await call('GET', A)).body, { state: 'down', reason })
  t.match((await call('GET', '/v1/upstreams/web')).body, {
    instances: [
      { id: 'a', state: 'down', reason },
      { id: 'b', state: 'up', reason: undefined },
    ],
  })
  const counts = async () => (await call('GET', '/v1/upstreams')).body
  t.match(await counts(), { upstreams: [{ up: 1, draining: 0, down: 1 }] })
  t.match((await call('GET', '/v1/explain?host=web.localhost')).body, {
    outcome: 'served',
    peers: [
      { id: 'a', state: 'down', reason, share: 0 },
      { id: 'b', state: 'up', share: 1 },
    ],
  })
  const share = { state: 'up', reason: 'warming 40 %', share: 0.4 } as const
  control.conditions.set('web', new Map([['a', share]]))
  t.match(await counts(), { upstreams: [{ up: 2, down: 0 }] })
  t.match((await call('GET', A)).body, { state: 'up', reason: 'warming 40 %' })
  await call('POST', `${A}/drain`)
  t.match((await call('GET', A)).body, { state: 'draining', reason: 'drained by an operator' })

  const conditions = { 'web/a': { state: 'down' as const, reason } }
  const view = { id: 'g1', applied: 99, desired: 99, lagMs: 0, connected: true, workers: 2 }
  control.gatewayViews.push({ ...view, nginx: '1.30.6', njs: '1.0.2', conditions })
  t.same((await call('GET', '/v1/gateways')).body.gateways[0].conditions, conditions)
  t.equal((await call('GET', '/readyz?verbose')).status, 200)
})

t.test('a change waits for the gateways', async (t) => {
  const { call, control } = await testApi(t)
  const gateway = {
    id: 'g1',
    applied: 0,
    desired: 0,
    lagMs: 0,
    connected: true,
    workers: 2,
    nginx: '1.30.6',
    njs: '1.0.2',
    conditions: {},
  }
  control.gatewayViews.push(gateway)
  const none = await call('PUT', `${A}?wait=none`, at(9001))
  t.match(none, { status: 202, body: { applied: false, pending: ['g1'], revision: 1 } })
  t.notOk('reasons' in none.body, 'it is only late')
  Object.assign(gateway, { code: 'table_full', reason: 'set SLUICE_TABLE_SIZE' })
  const full = await call('PUT', `${A}?wait=none`, at(9001))
  const reasons = { g1: { code: 'table_full', message: 'set SLUICE_TABLE_SIZE' } }
  t.match(full, { status: 202, body: { pending: ['g1'], reasons } })
  t.match((await call('GET', '/v1/gateways')).body.gateways, [{ code: 'table_full' }])
  t.match((await call('GET', A)).status, 200, 'one reads what one wrote')
  const waiting = call('PUT', A, at(9002))
  await until(() => control.desired().revision === 2)
  gateway.applied = 2
  t.match(await waiting, { status: 200, body: { applied: true, revision: 2, pending: undefined } })
  const drained = await call('POST', `${A}/drain?wait=none`)
  t.match(drained, { status: 202, body: { drained: false, pending: ['g1'] } })
  gateway.applied = 3
  control.inFlight.set('web/a', 1)
  const restarted = call('POST', `${A}/drain`, { waitMs: 400 })
  await until(() => control.asked > 1)
  gateway.applied = 0
  control.inFlight.set('web/a', 0)
  const lost = { applied: false, drained: false, active: 0, pending: ['g1'] }
  t.match(await restarted, { status: 202, body: lost }, 'its nginx began anew with an old table')
  Object.assign(gateway, { connected: false, code: undefined, reason: 'refused', sinceAtMs: 0 })
  const message = 'not connected since 1970-01-01T00:00:00.000Z: refused'
  t.match(await call('PUT', `${A}?wait=none`, at(9003)), {
    status: 202,
    body: { pending: ['g1'], reasons: { g1: { code: 'gateway_unavailable', message } } },
  })
  t.match((await call('GET', '/v1/gateways')).body, { revision: 4, gateways: [gateway] })
  control.deaf(true)
  const unheard = await call('PUT', `${A}?wait=none`, at(9004))
  t.match(unheard, { status: 202, body: { applied: false, pending: ['here'] } })
})

t.test('a lease of its own for each instance with ttlMs', async (t) => {
  const { call, control } = await testApi(t)
  const ttl = { ttlMs: 1000 }
  await call('PUT', B, at(9002))
  const first = await call('PUT', A, at(9001, ttl))
  t.match(first.body, { ttlMs: 1000, revision: 2 })
  const startedAtMs = performance.now()
  while (performance.now() - startedAtMs < 1500) {
    const renewed = await call('PUT', A, at(9001, ttl))
    if (renewed.body.revision !== 2) {
      t.fail('a renewal is no change')
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.equal((await call('GET', A)).status, 200, 'it lives while it is put again')
  t.equal((await call('PATCH', A, { weight: 3 })).status, 200)
  t.equal(
    (await call('PUT', A, at(9001, { ttlMs: 1500 }))).status,
    200,
    'another time, another lease',
  )
  await until(async () => (await call('GET', A)).status === 404, { what: 'expiry' })
  t.equal((await call('GET', B)).status, 200, 'what has no ttlMs stays')
  await call('PUT', A, at(9001, ttl))
  await call('PUT', A, at(9001))
  await call('PUT', '/v1/upstreams/web/instances/c', at(9003, ttl))
  await until(async () => (await call('GET', '/v1/upstreams/web/instances/c')).status === 404)
  t.equal((await call('GET', A)).status, 200, 'put without it, it stays')
  t.same(control.suspects(), [])
})

t.test('where an expiry and a deletion look alike, a deletion is marked first', async (t) => {
  const { call, control } = await testApi(t, { settings: { registry: 'etcd://127.0.0.1:2379' } })
  const marks: string[] = []
  control.registry.watch(['instances/'], {
    onListing: () => undefined,
    onConnected: () => undefined,
    onChanges: (changes) => {
      for (const change of changes) {
        marks.push(change.type === 'put' ? change.value : 'deleted')
      }
    },
  })
  const ttl = { ttlMs: 5000 }
  await call('PUT', A, at(9001, ttl))
  const deleted = await call('DELETE', A)
  t.match(deleted, { status: 200, body: { applied: true, revision: 3 } })
  await until(() => marks.length === 3)
  t.match(marks[1], /"gone":true/)
  t.equal(marks[2], 'deleted')
  t.equal((await call('PUT', A, at(9001, ttl))).status, 201, 'and it may come back')
  const operations = [
    { method: 'DELETE', path: A },
    { method: 'PUT', path: B, body: at(9002) },
  ]
  t.equal((await call('POST', '/v1/batch', { operations })).status, 200)
  t.equal((await call('GET', A)).status, 404)
  t.equal((await call('DELETE', B)).status, 200)
  t.equal(
    marks.filter((mark) => mark.includes('gone')).length,
    2,
    'what has no lease needs no mark',
  )
})

t.test('a port has one route for each protocol, and explain says which', async (t) => {
  const { call, control } = await testApi(t)
  const put = (id: string, port: number, protocol = 'tcp') =>
    call('PUT', `/v1/routes/${id}`, { port, protocol, upstream: 'db' })
  t.match(await put('db', 9100), { status: 201, body: { port: 9100, protocol: 'tcp' } })
  t.match((await put('two', 9100)).body, {
    code: 'conflict',
    field: 'port',
    detail: /route db has tcp port 9100/,
  })
  t.equal((await put('two', 9100, 'udp')).status, 201, 'UDP has ports of its own')
  t.match((await put('far', 9200)).body, { code: 'conflict', detail: /9100-9109/ })
  t.equal((await put('db', 9101)).status, 200)
  t.equal((await put('free', 9100)).status, 201, 'a port that was left')
  const swap = [
    { method: 'PUT', path: '/v1/routes/db', body: { port: 9100, protocol: 'tcp', upstream: 'a' } },
    { method: 'PUT', path: '/v1/routes/free', body: { hosts: ['free'], upstream: 'a' } },
  ]
  t.equal((await call('POST', '/v1/batch', { operations: swap })).status, 200)
  t.match((await call('GET', '/v1/routes')).body.routes, [
    { id: 'db', port: 9100, upstream: 'a' },
    { id: 'free', hosts: ['free'] },
    { id: 'two', protocol: 'udp' },
  ])
  t.match((await call('GET', '/v1/routes/db')).body, { port: 9100, protocol: 'tcp' })
  t.equal((await call('DELETE', '/v1/routes/db')).status, 200)
  control.stream = () => ({
    ...{ ports: '', tuned: '', passthrough: false, connected: false },
    reason: 'it lacks the stream module',
  })
  t.match((await put('db', 9100)).body, { code: 'conflict', detail: /lacks the stream module/ })
})

t.test('routes by the name that a TLS client asks for', async (t) => {
  const { call, control } = await testApi(t)
  const put = (id: string, sni: string[], more = {}) =>
    call('PUT', `/v1/routes/${id}`, { sni, upstream: 'db', ...more })
  const first = await put('db', ['DB.Example.com.', '.vault.example.com'])
  const names = ['db.example.com', 'vault.example.com', '*.vault.example.com']
  t.match(first, { status: 201, body: { id: 'db', sni: names, upstream: 'db' } })
  t.match((await call('GET', '/v1/routes/db')).body, { sni: names })
  t.match((await put('two', ['a', '*.vault.example.com'])).body, {
    code: 'conflict',
    field: 'sni[1]',
    detail: /route db has \*\.vault\.example\.com already/,
  })
  t.equal((await put('two', ['a', '*.example.com'])).status, 201, 'an exact name is another')
  await call('PUT', '/v1/upstreams/db/instances/a', { host: '127.0.0.1', port: 9001 })
  const explain = async (query: string) => (await call('GET', `/v1/explain?${query}`)).body
  t.match(await explain('sni=DB.example.com'), {
    ...{ sni: 'db.example.com', outcome: 'served', route: { id: 'db', sni: 'db.example.com' } },
    ...{ upstreams: [{ name: 'db' }], peers: [{ id: 'a', share: 1 }] },
  })
  t.match(await explain('sni=x.y.example.com'), {
    why: [/name x\.y\.example\.com matches \*\.example\.com \(route two\)/],
  })
  t.match(await explain('sni=other.test'), { outcome: 'terminated', route: null })
  t.match(await explain('sni=db.example.com&port=9100'), { outcome: 'no_route' })
  t.equal((await put('port', ['db.example.com'], { port: 9100 })).status, 201, 'as at a port')
  t.match((await put('same', ['db.example.com'], { port: 9100 })).body, {
    code: 'conflict',
    detail: /route port has db\.example\.com at port 9100 already/,
  })
  t.equal((await put('rest', [], { sni: undefined, port: 9100, protocol: 'tcp' })).status, 201)
  t.match(await explain('sni=db.example.com&port=9100'), {
    ...{ port: 9100, protocol: 'tcp', route: { id: 'port', sni: 'db.example.com', port: 9100 } },
  })
  t.match(await explain('sni=other.test&port=9100'), { route: { id: 'rest', port: 9100 } })
  t.match(await explain('port=9100'), {
    ...{ outcome: 'served', route: { id: 'rest' } },
    why: [/route rest has tcp port 9100/, /waits for what the client says/],
  })
  t.match(await explain('port=9100&protocol=udp'), { outcome: 'no_route', protocol: 'udp' })
  for (const [query, field] of [
    ['', 'host'],
    ['host=a&sni=a', 'host'],
    ['sni=a&path=/', 'path'],
    ['sni=a&protocol=udp', 'protocol'],
    ['port=x', 'port'],
  ]) {
    t.match(await explain(query ?? ''), { code: 'invalid', field }, query ?? '')
  }
  t.match((await put('far', ['x'], { port: 9200 })).body, { code: 'conflict', field: 'port' })
  const hosts = { hosts: ['db.example.com'], upstream: 'web' }
  t.equal((await call('PUT', '/v1/routes/plain', hosts)).status, 201, 'for the plain port')
  t.match((await explain('host=db.example.com')).why.join(), /over TLS route db passes this name/)
  const operations = [
    { method: 'PUT', path: '/v1/routes/db', body: { sni: ['a'], upstream: 'db' } },
    { method: 'PUT', path: '/v1/routes/two', body: { sni: names, upstream: 'db' } },
  ]
  t.equal((await call('POST', '/v1/batch', { operations })).status, 200, 'names may be swapped')
  control.stream = () => ({ ports: '9100', tuned: '', passthrough: false, connected: true })
  t.match((await put('none', ['n'])).body, {
    ...{ code: 'conflict', field: 'sni' },
    detail: /setting passthrough is false, or httpsPort is 0, or nginx lacks/,
  })
  t.equal((await put('none', ['n'], { port: 9100 })).status, 201, 'a port of its own needs it not')
})

t.test('routes of connections that are tuned', async (t) => {
  const { call } = await testApi(t)
  const tuning = { timeouts: { idleMs: 60_000 }, proxyProtocol: 'v1' }
  const put = (id: string, body: object) =>
    call('PUT', `/v1/routes/${id}`, { upstream: 'db', ...body })
  const body = { port: 9105, protocol: 'tcp', ...tuning }
  t.match(await put('db', body), { status: 201, body: { id: 'db', ...body } })
  t.match((await call('GET', '/v1/routes')).body.routes, [{ id: 'db', ...body }])
  t.match(await put('tls', { sni: ['db.test'], ...tuning }), { status: 201 })
  t.match(await put('named', { sni: ['db.test'], port: 9106, ...tuning }), { status: 201 })
  for (const [field, value] of Object.entries(tuning)) {
    for (const what of [{ protocol: 'tcp' }, { sni: ['x'] }]) {
      t.match(await put('no', { port: 9104, ...what, [field]: value }), {
        status: 409,
        body: { code: 'conflict', field, detail: /port 9104 is not tuned: those are 9105-9109/ },
      })
    }
  }
  await call('PUT', '/v1/upstreams/db/instances/a', { host: '127.0.0.1', port: 9001 })
  for (const query of ['port=9105', 'sni=db.test', 'sni=db.test&port=9106']) {
    const { body } = await call('GET', `/v1/explain?${query}`)
    t.match(body, { outcome: 'served', peers: [{ id: 'a' }] })
    t.match(body.why.join(), /after 60000 ms of silence it is closed.*by the PROXY protocol/)
  }
})

t.test("routes are kept as they are meant, and none takes another's host", async (t) => {
  const { call } = await testApi(t)
  const put = await call('PUT', '/v1/routes/app', { hosts: ['App.Example.com.'], upstream: 'web' })
  t.equal(put.status, 201)
  t.match(put.body, { id: 'app', hosts: ['app.example.com'], pathPrefix: '/', upstream: 'web' })
  const taken = await call('PUT', '/v1/routes/two', {
    hosts: ['b', 'app.example.com'],
    upstream: 'x',
  })
  t.same(problem(taken), { status: 409, code: 'conflict', field: 'hosts[1]' })
  t.match(taken.body.detail, /route app/)
  const split = [
    { upstream: 'web', weight: 9 },
    { upstream: 'next', weight: 1 },
  ]
  const api = { hosts: ['app.example.com'], pathPrefix: '/api', split }
  t.match(await call('PUT', '/v1/routes/api', api), { status: 201, body: { split } })
  t.same(
    (await call('GET', '/v1/routes')).body.routes.map(({ id }: { id: string }) => id),
    ['api', 'app'],
  )
  t.match((await call('GET', '/v1/routes/api')).body, {
    id: 'api',
    pathPrefix: '/api',
    revision: 2,
  })
  const racing = await Promise.all(
    ['r1', 'r2', 'r3'].map((id) =>
      call('PUT', `/v1/routes/${id}`, { hosts: ['race'], upstream: id }),
    ),
  )
  t.same(racing.map(({ status }) => status).sort(), [201, 409, 409], 'one of those that race')
  const swap = [
    { method: 'PUT', path: '/v1/routes/app', body: { hosts: ['c'], upstream: 'web' } },
    { method: 'PUT', path: '/v1/routes/two', body: { hosts: ['app.example.com'], upstream: 'x' } },
  ]
  const swapped = await call('POST', '/v1/batch', { operations: swap.reverse() })
  t.equal(swapped.status, 200, 'a host changes hands in one batch, in any order')
  t.equal((await call('DELETE', '/v1/routes/two')).status, 200)
  const label = { hosts: ['label'], upstream: 'theirs' }
  t.equal((await call('PUT', '/v1/routes/agent-01234567-a', label)).status, 201)
  const own = { hosts: ['label'], upstream: 'ours' }
  t.equal((await call('PUT', '/v1/routes/own', own)).status, 201, 'an operator overrules a label')
  const { body } = await call('GET', '/v1/explain?host=label')
  t.match(body, { route: { id: 'own' }, upstreams: [{ name: 'ours' }] })
})

t.test('a batch is done as one, or rehearsed', async (t) => {
  const { call, control } = await testApi(t)
  const operations = Array.from({ length: 1000 }, (_, i) => ({
    method: 'PUT',
    path: `/v1/upstreams/u${i % 10}/instances/i${i}`,
    body: { host: '10.0.0.1', port: i + 1 },
  }))
  const rehearsed = await call('POST', '/v1/batch', { operations, dryRun: true })
  t.match(rehearsed.body, { dryRun: true, revision: 0 })
  t.equal(rehearsed.body.changes.length, 1000)
  t.match(rehearsed.body.changes[7], {
    operation: 7,
    op: 'create',
    kind: 'instance',
    id: 'i7',
    before: null,
  })
  t.equal(control.desired().revision, 0, 'a rehearsal writes nothing')
  const done = await call('POST', '/v1/batch', { operations })
  t.match(done, { status: 200, body: { applied: true, revision: 1, changes: 1000 } })
  t.equal((await call('GET', '/v1/upstreams')).body.upstreams.length, 10)
  const again = await call('POST', '/v1/batch', { operations })
  t.match(again.body, { revision: 1, changes: 0 }, 'the same again changes nothing')

  const bad = operations.map((one) => ({ ...one, body: { ...one.body, weight: 2 } }))
  bad[500] = { ...bad[500], body: { host: '10.0.0.1', port: 0 } } as never
  const refused = await call('POST', '/v1/batch', { operations: bad })
  t.match(problem(refused), { code: 'invalid', field: 'operations[500].body.port' })
  t.equal(control.desired().revision, 1, 'all or nothing')

  const path = '/v1/upstreams/brief/instances/a'
  const inAndOut = [
    { method: 'PUT', path, body: at(1) },
    { method: 'DELETE', path },
  ]
  const nothing = await call('POST', '/v1/batch', { operations: inAndOut })
  t.match(
    nothing.body,
    { revision: 1, changes: 0 },
    'what comes and goes leaves no revision of its own',
  )
  const one = { operations: [{ method: 'DELETE', path: '/v1/upstreams/u7/instances/i7' }] }
  const conditional = await call('POST', '/v1/batch', one, { 'if-match': '"1"' })
  t.match(problem(conditional), { code: 'invalid', field: 'If-Match' }, 'it stands in operations')
  t.equal(control.desired().revision, 1)
})

t.test('a batch is in order, and says which operation was wrong', async (t) => {
  const { call } = await testApi(t)
  await call('PUT', A, at(9001))
  const operations = [
    { method: 'PUT', path: '/v1/upstreams/web', body: {} },
    { method: 'PUT', path: B, body: at(9002), ifMatch: 0 },
    { method: 'PATCH', path: B, body: { weight: 5 } },
    { method: 'POST', path: `${B}/drain` },
    { method: 'DELETE', path: A, ifMatch: '"1"' },
    { method: 'DELETE', path: B },
    { method: 'DELETE', path: '/v1/upstreams/web?force=false' },
  ]
  const rehearsed = await call('POST', '/v1/batch', {
    operations: operations.slice(0, 5),
    dryRun: true,
  })
  t.match(
    rehearsed.body.changes.map(({ op, kind, id }: Record<string, string>) => [op, kind, id]).sort(),
    [
      ['create', 'instance', 'b'],
      ['create', 'override', 'b'],
      ['create', 'upstream', undefined],
      ['delete', 'instance', 'a'],
    ],
  )
  t.match(await call('POST', '/v1/batch', { operations }), { status: 200, body: { changes: 1 } })
  t.equal((await call('GET', '/v1/upstreams/web')).status, 404)
  const wrong: Array<[operation: object, problem: object]> = [
    [
      { method: 'DELETE', path: A },
      { code: 'not_found', field: 'operations[1]' },
    ],
    [
      { method: 'PUT', path: A, body: at(1), ifMatch: 1 },
      { code: 'changed', field: 'operations[1]' },
    ],
    [
      { method: 'PUT', path: '/v1/nothing' },
      { code: 'invalid', field: 'operations[1].path' },
    ],
    [
      { method: 'PUT', path: `${A}?wait=none` },
      { code: 'invalid', field: 'operations[1].path' },
    ],
    [
      { method: 'POST', path: A },
      { code: 'method_not_allowed', field: 'operations[1]' },
    ],
    [
      { method: 'POST', path: `${B}/drain`, body: { waitMs: 5 } },
      { code: 'invalid', field: 'operations[1].body.waitMs' },
    ],
  ]
  for (const [operation, expected] of wrong) {
    const both = [{ method: 'PUT', path: B, body: at(9002) }, operation]
    t.match(problem(await call('POST', '/v1/batch', { operations: both })), expected)
  }
  t.equal((await call('GET', B)).status, 404, 'nothing of them was done')
})

t.test('an instance of an agent is its own', async (t) => {
  const { call, control } = await testApi(t)
  const record = { ...at(9001), weight: 1, state: 'up', agent: 'host-1' }
  const put = { type: 'put' as const, key: 'instances/web/a', value: JSON.stringify(record) }
  const { revision } = await control.registry.commit([put])
  await control.whenKnown(revision, 1000)
  t.match(problem(await call('PUT', A, at(9001))), { status: 409, code: 'conflict' })
  t.match(problem(await call('PATCH', A, { weight: 3 })), { status: 409, code: 'conflict' })
  t.match((await call('POST', `${A}/drain`)).body, { state: 'draining' })
  t.match((await call('GET', A)).body, { agent: 'host-1' })
  t.equal((await call('DELETE', A)).status, 200)
})

t.test('what was lost at once is held, drained, and believed when confirmed', async (t) => {
  const { call, control } = await testApi(t)
  const lease = await control.registry.grant({ ttlMs: 1000, keepAlive: false })
  const ids = ['a', 'b', 'c', 'd', 'e', 'f']
  const { revision } = await control.registry.commit(
    ids.map((id, i) => ({
      type: 'put' as const,
      key: `instances/web/${id}`,
      value: JSON.stringify({ ...at(9001 + i), weight: 1, state: 'up', agent: 'host-1' }),
      lease: lease.id,
    })),
  )
  await control.whenKnown(revision, 1000)
  await until(() => control.suspects().length > 0)
  const { body } = await call('GET', '/v1/suspects')
  t.match(body.suspects, [{ upstream: 'web', instances: ids }])
  t.match((await call('GET', A)).body, { state: 'up' }, 'it serves on')
  t.match((await call('POST', `${A}/drain`)).body, { state: 'draining' })
  t.match(problem(await call('DELETE', A)), { code: 'conflict' })
  const confirm = (upstream: string) => call('POST', '/v1/suspects/confirm', { upstream })
  t.match((await confirm('other')).body, {
    code: 'not_found',
    detail: 'there is no upstream other',
  })
  await call('PUT', '/v1/upstreams/other', {})
  t.same((await confirm('other')).body, { confirmed: [] }, 'nothing is held of it')
  t.equal((await call('POST', '/v1/suspects/confirm')).body.confirmed.length, 1)
  await until(async () => (await call('GET', '/v1/upstreams/web')).status === 404)
})

t.test('explain says where a request would go, and why', async (t) => {
  const { call } = await testApi(t)
  const explain = async (query: string) => (await call('GET', `/v1/explain?${query}`)).body
  t.match(await explain('host=nowhere.example'), { outcome: 'no_route', route: null, peers: [] })
  await call('PUT', A, at(9001, { weight: 3 }))
  await call('PUT', B, at(9002))
  await call('PUT', '/v1/routes/api', {
    hosts: ['*.example.com'],
    pathPrefix: '/api',
    split: [
      { upstream: 'web', weight: 1 },
      { upstream: 'empty', weight: 9 },
    ],
  })
  const own = await explain('host=WEB.localhost.:8080')
  t.match(own, {
    host: 'web.localhost',
    outcome: 'served',
    route: { id: null },
    upstreams: [{ name: 'web' }],
  })
  t.match(own.peers, [
    { id: 'a', share: 0.75, state: 'up' },
    { id: 'b', share: 0.25 },
  ])
  const split = await explain('host=x.y.example.com&path=/api//v1%3Fa=1&cookie=a%3Db')
  t.match(split, {
    outcome: 'served',
    path: '/api/v1',
    route: { id: 'api', host: '*.example.com' },
  })
  t.match(split.upstreams, [
    { name: 'web', share: 1 },
    { name: 'empty', share: 0 },
  ])
  t.match(await explain('host=x.example.com&path=/apix'), { outcome: 'no_route' })
  t.match(await explain('host=example.com&path=/api'), { outcome: 'no_route' })
  await call('POST', `${A}/drain`)
  t.match((await explain('host=web.localhost')).peers, [
    { id: 'a', share: 0, state: 'draining' },
    { share: 1 },
  ])
  await call('POST', `${B}/drain`)
  t.match(await explain('host=web.localhost'), { outcome: 'no_peer' })
})

t.test('a split that forces and keeps: explain says which arm a client gets', async (t) => {
  const { call } = await testApi(t)
  await call('PUT', '/v1/upstreams/web/instances/a', { host: '10.0.0.1', port: 80 })
  await call('PUT', '/v1/upstreams/next/instances/b', { host: '10.0.0.2', port: 80 })
  const split = [
    { upstream: 'web', weight: 9 },
    { upstream: 'next', weight: 1, when: { headers: { 'X-Canary': 'always' } } },
  ]
  const stick = { by: 'hash', key: 'address' }
  const path = '/v1/routes/canary'
  const made = await call('PUT', path, { hosts: ['app.test'], split, stick })
  t.match(made, { status: 201, body: { stick, split: [{}, { when: { headers: {} } }] } })
  const shown = (await call('GET', path)).body
  const again = { hosts: shown.hosts, split: shown.split, stick: shown.stick }
  t.equal((await call('PUT', path, again)).status, 200, 'what is shown can be put')
  const explain = async (query: string) =>
    (await call('GET', `/v1/explain?host=app.test&${query}`)).body
  const nobody = [{ upstream: 'x', weight: 1 }]
  await call('PUT', '/v1/routes/empty', { hosts: ['empty.test'], split: nobody, stick })
  const { body } = await call('GET', '/v1/explain?host=empty.test&address=10.1.0.1')
  t.match(body.why.join('\n'), /the client keeps upstream none, for no arm is up/)
  const shares = (body: { upstreams: Array<{ share: number }> }) =>
    body.upstreams.map(({ share }) => share)
  const drawn = await explain('path=/')
  t.same(shares(drawn), [0.9, 0.1])
  t.match(drawn.why.join('\n'), /header x-canary is not "always"[^]*seed canary; without it, each/)
  const forced = await explain('header=X-Canary:always')
  t.same(shares(forced), [0, 1])
  t.match(forced.why.join('\n'), /sends such requests to upstream next, whatever/)
  const all = await Promise.all(
    Array.from({ length: 40 }, (_, i) => explain(`address=10.1.0.${i}`).then(shares)),
  )
  t.same([...new Set(all.map(String))].sort(), ['0,1', '1,0'], 'each client has one arm')
  t.match((await explain('address=10.1.0.1')).why.join('\n'), /address and the seed canary.* keeps/)
  const where = { version: '2' }
  const some = [{ upstream: 'web', where, weight: 1 }]
  t.equal((await call('PUT', path, { hosts: ['app.test'], split: some })).status, 200)
  t.match(await explain('path=/'), { outcome: 'no_peer', upstreams: [{ where }], peers: [] })
  t.match((await explain('path=/')).why.join('\n'), /no instance that is up where version is 2/)
  await call('PATCH', '/v1/upstreams/web/instances/a', { metadata: where })
  t.match(await explain('path=/'), { outcome: 'served', peers: [{ id: 'a', share: 1 }] })
  await call('PUT', path, { hosts: ['app.test'], split, stick: { by: 'cookie' } })
  const given = await explain('path=/')
  t.match(given.why.join('\n'), /by the cookie sluice-arm, with the seed canary; which is given/)
})

t.test('conditions: side by side, never the same twice, and explain says which fit', async (t) => {
  const { call } = await testApi(t)
  const at = { hosts: ['app.test'], pathPrefix: '/a' }
  const canary = { ...at, headers: { 'X-Canary': 'always' }, methods: ['PUT', 'GET'] }
  await call('PUT', '/v1/routes/base', { ...at, upstream: 'web' })
  const made = await call('PUT', '/v1/routes/canary', { ...canary, upstream: 'next' })
  t.equal(made.status, 201)
  t.match((await call('GET', '/v1/routes/canary')).body, {
    methods: ['GET', 'PUT'],
    headers: { 'x-canary': 'always' },
  })
  const twice = await call('PUT', '/v1/routes/twice', { ...canary, upstream: 'web' })
  t.match(problem(twice), { status: 409, code: 'conflict', field: 'hosts[0]' })
  t.match(twice.body.detail, /route canary has host app.test with path prefix \/a and the same/)
  t.equal((await call('GET', '/v1/routes/twice')).status, 404)
  const explain = async (query: string) => (await call('GET', `/v1/explain?${query}`)).body
  const header = `header=${encodeURIComponent('X-CANARY: always')}`
  t.match(await explain(`host=app.test&path=/a/x&${header}&header=b:1`), {
    route: { id: 'canary' },
    upstreams: [{ name: 'next' }],
  })
  const lost = await explain('host=app.test&path=/a')
  t.match(lost, { route: { id: 'base' }, upstreams: [{ name: 'web' }] })
  t.ok(
    lost.why.includes('route canary at /a does not fit: header x-canary is not "always"'),
    lost.why,
  )
  const method = await explain(`host=app.test&path=/a&method=POST&${header}`)
  t.match(method.why.join(), /route canary at \/a does not fit: the method is none of GET PUT/)
  const any = await call('PUT', '/v1/routes/any', { hosts: ['*'], upstream: 'web' })
  t.equal(any.status, 201)
  t.match(await explain('host=nowhere.example'), { route: { id: 'any', host: '*' } })
  const challenge = 'host=app.test&path=/.well-known/acme-challenge/x'
  t.match(await explain(challenge), { route: null }, 'any host’s / does not serve it')
  const acme = { hosts: ['*'], pathPrefix: '/.well-known/acme-challenge', upstream: 'next' }
  t.equal((await call('PUT', '/v1/routes/acme', acme)).status, 201)
  const first = await explain(challenge)
  t.match(first, { route: { id: 'acme', host: '*' }, upstreams: [{ name: 'next' }] })
  t.match(first.why.join(), /any host below .* comes before those of app\.test/)
})

t.test('explain names what decides', async (t) => {
  const { call } = await testApi(t, { settings: { zone: 'here' } })
  const policy = { balance: 'hash', hash: { key: 'cookie:user' }, sticky: { by: 'cookie' } }
  await call('PUT', '/v1/upstreams/web', { policy })
  await call('PUT', A, at(9001, { zone: 'here' }))
  await call('PUT', B, at(9002, { zone: 'there' }))
  const explain = async (cookie: string) =>
    (await call('GET', `/v1/explain?host=web.localhost${cookie}`)).body
  const plain = await explain('')
  t.match(plain.upstreams, [{ name: 'web', policy: { balance: 'hash', hash: policy.hash } }])
  t.match(plain.peers, [
    { id: 'a', share: 1 },
    { id: 'b', share: 0 },
  ])
  t.match(plain.why.slice(-3), [
    'upstream web: balance hash chooses by the cookie user',
    'upstream web: a session in the cookie sluice comes before that',
    'upstream web: one instance waits until the others cannot serve (other zones than here, and backups)',
  ])
  const token = createHmac('sha256', SESSION_KEY).update('web/b').digest('hex').slice(0, 16)
  const session = await explain(`&cookie=${encodeURIComponent(`x=1; sluice=${token}`)}`)
  t.ok(session.why.some((line: string) => line.includes('names instance b')))
  t.match((await explain('&cookie=sluice%3Dabc')).why.join(), /names no instance/)
})

t.test('every documented path is real, and every real one documented', async (t) => {
  const { raw, call } = await testApi(t)
  const { body: document } = await raw('/openapi.json')
  t.equal(document.openapi, '3.1.0')
  const operations = Object.entries<Record<string, Json>>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  )
  t.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length)
  for (const { path, method, operation } of operations) {
    const name = `${method} ${path}`
    t.ok(
      operation.summary && operation.responses.default,
      `${name} says what it does and how it fails`,
    )
    t.ok(operation.responses['200'], `${name} has a shape`)
    if (path === '/v1/events') {
      continue
    }
    const real = path.replace('{upstream}', 'web').replace('{id}', 'a')
    const { status, body } = await call(method.toUpperCase(), real)
    t.not(status, 405, name)
    t.ok(status !== 404 || !/no call has the path/.test(body.detail), `${name} is there`)
  }
  const design: Record<string, string[]> = {
    '/v1/upstreams': ['get'],
    '/v1/upstreams/{upstream}': ['get', 'put', 'patch', 'delete'],
    '/v1/upstreams/{upstream}/instances/{id}': ['get', 'put', 'patch', 'delete'],
    '/v1/upstreams/{upstream}/instances/{id}/drain': ['post'],
    '/v1/upstreams/{upstream}/instances/{id}/undrain': ['post'],
    '/v1/routes': ['get'],
    '/v1/routes/{id}': ['get', 'put', 'delete'],
    '/v1/certificates': ['get'],
    '/v1/certificates/{id}': ['get', 'put', 'delete'],
    '/v1/batch': ['post'],
    '/v1/gateways': ['get'],
    '/v1/gateways/{id}': ['delete'],
    '/v1/suspects': ['get'],
    '/v1/suspects/confirm': ['post'],
    '/v1/explain': ['get'],
    '/v1/events': ['get'],
    '/healthz': ['get'],
    '/readyz': ['get'],
    '/v1/status': ['get'],
    '/metrics': ['get'],
    '/openapi.json': ['get'],
  }
  const found = operations.map(({ path, method }) => `${method} ${path}`).sort()
  t.same(
    found,
    Object.entries(design)
      .flatMap(([path, all]) => all.map((one) => `${one} ${path}`))
      .sort(),
  )
  t.same(document.components.schemas.Problem.properties.code.enum, Object.keys(CODES))
})

t.test('the document names its schemas, and says who may make which call', async (t) => {
  const { raw } = await testApi(t)
  const { body: document } = await raw('/openapi.json')
  const text = JSON.stringify(document)
  for (const [, name = ''] of text.matchAll(/#\/components\/schemas\/(\w+)/g)) {
    t.ok(document.components.schemas[name], `${name} is there`)
  }
  t.notOk(text.includes('x-name'), 'what names them is no part of it')
  const { paths } = document
  t.match(document.servers, [{ url: '/' }])
  const open = ['/healthz', '/metrics', '/openapi.json', '/readyz']
  for (const [path, item] of Object.entries<Json>(paths)) {
    for (const [method, { security, requestBody, responses }] of Object.entries<Json>(item)) {
      const name = `${method} ${path}`
      t.same(security, [...(open.includes(path) ? [{}] : []), { token: [] }], name)
      for (const { content } of [requestBody ?? {}, responses['200']]) {
        const schema = content?.['application/json']?.schema
        for (const one of schema?.anyOf ?? [schema ?? { type: 'none' }]) {
          t.ok(one.$ref || one.type, `${name}: by name`)
        }
      }
    }
  }
  const stream = paths['/v1/events'].get.responses['200'].content['text/event-stream'].schema
  t.same(
    stream.contentSchema.anyOf.map((one: Json) => one.$ref.split('/').at(-1)),
    ['Change', 'Health', 'Gateway', 'Registry', 'Suspect', 'Finding', 'Reset'].map(
      (type) => `${type}Event`,
    ),
  )
  const file = join(temporaryFolder(t, 'openapi'), 'openapi.json')
  await writeFile(file, text)
  const cli = require.resolve('@redocly/cli/bin/cli.js')
  const silent = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  const linted = await promisify(execFile)(process.execPath, [cli, 'lint', file], {
    env: { ...process.env, ...silent },
  }).catch((error: unknown) => error as { stdout: string; stderr: string })
  t.match(linted.stderr, /Your API description is valid/)
  t.notMatch(linted.stderr, /You have \d+ warning/)
})

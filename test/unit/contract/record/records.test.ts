/** The guards of records of the registry. */
import fc from 'fast-check'
import t from 'tap'
import type { Guarded } from '../../../../contract/guard/guarded.js'
import { guardOverride } from '../../../../contract/record/override-record.js'
import { guardUpstream } from '../../../../contract/record/upstream-record.js'
import { guardInstance } from '../../../../contract/record/instance-record.js'
import { guardRoute } from '../../../../contract/record/route.js'
import { printConditions } from '../../../../contract/record/route-match.js'
import { parseKey, printKey } from '../../../../contract/keys.js'

const SPLIT = { hosts: ['a'], split: [{ upstream: 'web', weight: 1 }] }
const strict = { allowLoopback: false }
const instance = (value: unknown) => guardInstance(value, strict)

function fieldOf(checked: Guarded<unknown>): string | null {
  return checked.ok ? null : checked.field
}

t.test('an instance gets its defaults and its one spelling', async (t) => {
  t.same(instance({ host: '::ffff:10.0.0.7', port: 80 }), {
    ok: true,
    value: { host: '10.0.0.7', port: 80, weight: 1, state: 'up' },
  })
})

t.test('what is wrong with an instance is named by field', async (t) => {
  const good = { host: '10.0.0.7', port: 80 }
  const cases: Array<[unknown, string]> = [
    [null, ''],
    [[], ''],
    ['web', ''],
    [{ ...good, colour: 'red' }, 'colour'],
    [{ port: 80 }, 'host'],
    [{ ...good, host: 'localhost' }, 'host'],
    [{ ...good, host: '127.0.0.1' }, 'host'],
    [{ ...good, host: 7 }, 'host'],
    [{ ...good, port: 0 }, 'port'],
    [{ ...good, port: 65536 }, 'port'],
    [{ ...good, port: '80' }, 'port'],
    [{ ...good, weight: 0 }, 'weight'],
    [{ ...good, weight: NaN }, 'weight'],
    [{ ...good, weight: 1001 }, 'weight'],
    [{ ...good, state: 'gone' }, 'state'],
    [{ ...good, state: ['up'] }, 'state'],
    [{ ...good, state: { toString: 1, valueOf: 1 } }, 'state'],
    [{ ...good, maxConns: 0 }, 'maxConns'],
    [{ ...good, backup: false }, 'backup'],
    [{ ...good, zone: 'EU 1' }, 'zone'],
    [{ ...good, reason: 'a\nb' }, 'reason'],
    [{ ...good, ttlMs: 10 }, 'ttlMs'],
    [{ ...good, metadata: { 'a b': 'x' } }, 'metadata'],
    [{ ...good, metadata: { a: 1 } }, 'metadata'],
    [{ ...good, agent: 'A b' }, 'agent'],
  ]
  cases.forEach(([value, field]) => t.equal(fieldOf(instance(value)), field, JSON.stringify(value)))
})

t.test('no input makes a guard throw', async (t) => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      instance(value)
      guardRoute(value)
      guardUpstream(value)
      guardOverride(value)
      return true
    }),
  )
  t.pass()
})

t.test('a route is normalized, or its wrong field named', async (t) => {
  t.same(guardRoute({ hosts: ['App.Example.com.'], upstream: 'web' }), {
    ok: true,
    value: { hosts: ['app.example.com'], pathPrefix: '/', upstream: 'web' },
  })
  const cases: Array<[unknown, string]> = [
    [{ hosts: [], upstream: 'web' }, 'hosts'],
    [{ hosts: ['a b'], upstream: 'web' }, 'hosts[0]'],
    [{ hosts: ['a', 'A'], upstream: 'web' }, 'hosts[1]'],
    [{ hosts: ['a'], upstream: 'web', pathPrefix: '/x/' }, 'pathPrefix'],
    [{ hosts: ['a'] }, 'upstream'],
    [{ hosts: ['a'], upstream: 'web', split: [] }, 'upstream'],
    [{ hosts: ['a'], split: [] }, 'split'],
    [{ hosts: ['a'], split: [{ upstream: 'web', weight: 0 }] }, 'split[0].weight'],
    [{ ...SPLIT, split: [{ upstream: 'web', when: { headers: { a: '1' } } }] }, 'split'],
    [{ ...SPLIT, split: [{ upstream: 'web', weight: 1, when: {} }] }, 'split[0].when'],
    [{ ...SPLIT, split: [{ upstream: 'web', weight: 1, when: 7 }] }, 'split[0].when'],
    [
      { ...SPLIT, split: [{ upstream: 'web', weight: 1, when: { headers: { Host: 'x' } } }] },
      'split[0].when.headers.Host',
    ],
    [{ ...SPLIT, split: [{ upstream: 'web', weight: 1, where: {} }] }, 'split[0].where'],
    [{ ...SPLIT, split: [{ upstream: 'web', weight: 1, where: { a: 1 } }] }, 'split[0].where'],
    [{ ...SPLIT, stick: {} }, 'stick.by'],
    [{ ...SPLIT, stick: { by: 'luck' } }, 'stick.by'],
    [{ ...SPLIT, stick: { by: 'hash' } }, 'stick.key'],
    [{ ...SPLIT, stick: { by: 'hash', key: 'moon' } }, 'stick.key'],
    [{ ...SPLIT, stick: { by: 'hash', key: 'uri', seed: 'a b' } }, 'stick.seed'],
    [{ ...SPLIT, stick: { by: 'cookie', name: 'a=b' } }, 'stick.name'],
    [{ ...SPLIT, stick: { by: 'cookie', sameSite: 'none' } }, 'stick.secure'],
    [{ hosts: ['a'], upstream: 'web', stick: { by: 'cookie' } }, 'stick'],
    [{ hosts: ['a'], split: [{ upstream: 'Web', weight: 1 }] }, 'split[0].upstream'],
    [{ hosts: ['a'], upstream: 'web', port: 9100 }, 'port'],
  ]
  cases.forEach(([value, field]) =>
    t.equal(fieldOf(guardRoute(value)), field, JSON.stringify(value)),
  )
})

t.test('hosts of a route are spelt out, and wrong ones are named', async (t) => {
  const hostsOf = (...hosts: string[]) => {
    const checked = guardRoute({ hosts, upstream: 'web' })
    return checked.ok ? checked.value.hosts : `${checked.field} ${checked.message}`
  }
  t.same(hostsOf('.Example.com', 'www.example.*', '*'), [
    ...['example.com', '*.example.com', 'www.example.*', '*'],
  ])
  t.match(hostsOf('example.com', '.example.com'), /^hosts\[1\] is named twice/)
  for (const host of ['a.*.b', '*a.b', 'a*.b', '*.a.*', '.', '.*', '*.']) {
    t.match(
      hostsOf('a', host),
      /^hosts\[1\] must be a host name .* wildcard for whole labels/,
      host,
    )
  }
})

t.test('conditions of a route are normalized, and wrong ones are named', async (t) => {
  const base = { hosts: ['a'], upstream: 'web' }
  const good = {
    methods: ['PUT', 'GET'],
    headers: { 'X-Canary': 'always, "really"', Upgrade: true },
    cookies: { Beta: 'x=1' },
    arguments: { 'v.1': '2~' },
  }
  t.same(guardRoute({ ...base, ...good }), {
    ok: true,
    value: {
      ...base,
      pathPrefix: '/',
      methods: ['GET', 'PUT'],
      headers: { 'x-canary': 'always, "really"', upgrade: true },
      cookies: { beta: 'x=1' },
      arguments: { 'v.1': '2~' },
    },
  })
  const cases: Array<[object, string]> = [
    [{ methods: [] }, 'methods'],
    [{ methods: 'GET' }, 'methods'],
    [{ methods: ['get'] }, 'methods[0]'],
    [{ methods: ['GET', 'PUT', 'GET'] }, 'methods[2]'],
    [{ headers: {} }, 'headers'],
    [{ headers: ['x'] }, 'headers'],
    [{ headers: { 'x y': '1' } }, 'headers.x y'],
    [{ headers: { x_y: '1' } }, 'headers.x_y'],
    [{ headers: { 'X-A': '1', 'x-a': '1' } }, 'headers.x-a'],
    [{ headers: { Host: 'a' } }, 'headers.Host'],
    [{ headers: { 'X-Forwarded-For': 'a' } }, 'headers.X-Forwarded-For'],
    [{ headers: { 'x-sluice-pick': true } }, 'headers.x-sluice-pick'],
    [{ headers: { a: false } }, 'headers.a'],
    [{ headers: { a: '' } }, 'headers.a'],
    [{ headers: { a: 'x\ty' } }, 'headers.a'],
    [{ headers: { a: ' x' } }, 'headers.a'],
    [{ headers: { a: 'ü' } }, 'headers.a'],
    [{ headers: { a: { prefix: 'x' } } }, 'headers.a'],
    [{ cookies: { 'a=b': '1' } }, 'cookies.a=b'],
    [{ cookies: { a: 'b;c' } }, 'cookies.a'],
    [{ cookies: { a: 'b c' } }, 'cookies.a'],
    [{ arguments: { a: '%20' } }, 'arguments.a'],
    [{ arguments: { a: 1 } }, 'arguments.a'],
    [{ arguments: { constructor: 1 } }, 'arguments.constructor'],
  ]
  for (const [conditions, field] of cases) {
    t.equal(fieldOf(guardRoute({ ...base, ...conditions })), field, JSON.stringify(conditions))
  }
})

t.test('what is let in never breaks a line of the table', async (t) => {
  const word = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[ -~]{1,20}$/))
  const values = fc.dictionary(word, fc.oneof(word, fc.constant(true)), { minKeys: 1, maxKeys: 3 })
  fc.assert(
    fc.property(values, fc.constantFrom('headers', 'cookies', 'arguments'), (made, field) => {
      const checked = guardRoute({ hosts: ['a'], upstream: 'web', [field]: made })
      const names = Object.keys(made)
      const text = checked.ok ? printConditions(checked.value) : ''
      return !checked.ok || (/^[\t -~]+$/.test(text) && text.split('\t').length === names.length)
    }),
  )
  t.pass()
})

t.test('no name is let in that an object cannot have as its own', async (t) => {
  const poisoned = JSON.parse('{"__proto__": "x"}') as unknown
  const route = { hosts: ['a'], upstream: 'web' }
  for (const field of ['headers', 'cookies', 'arguments']) {
    t.equal(fieldOf(guardRoute({ ...route, [field]: poisoned })), `${field}.__proto__`)
  }
  const edits = { requestHeaders: { set: poisoned } }
  t.equal(fieldOf(guardRoute({ ...route, ...edits })), 'requestHeaders.set.__proto__')
  t.equal(fieldOf(instance({ host: '10.0.0.1', port: 80, metadata: poisoned })), 'metadata')
})

t.test('an upstream and an override', async (t) => {
  t.same(guardUpstream({}), { ok: true, value: { policy: { balance: 'random' } } })
  t.equal(fieldOf(guardUpstream({ policy: { balance: 'best' } })), 'policy.balance')
  t.equal(fieldOf(guardUpstream({ policy: { tries: 3 } })), 'policy.tries')
  t.match(guardUpstream({ protocol: 'grpc' }), { ok: true, value: { protocol: 'grpc' } })
  t.equal(fieldOf(guardUpstream({ protocol: 'h3' })), 'protocol')
  const resent = { statuses: [503], nonIdempotent: true }
  for (const [field, value] of Object.entries(resent)) {
    const checked = guardUpstream({ protocol: 'grpc', policy: { retry: { [field]: value } } })
    t.equal(fieldOf(checked), `policy.retry.${field}`)
  }
  t.equal(fieldOf(guardOverride({ drain: false, atMs: 1 })), 'drain')
  t.equal(fieldOf(guardOverride({ drain: true })), 'atMs')
})

t.test('keys are taken apart the way they were put together', async (t) => {
  const keys = [
    { kind: 'upstreams', upstream: 'web' },
    { kind: 'instances', upstream: 'web', id: 'a:b.c' },
    { kind: 'overrides', upstream: 'web', id: 'a' },
    { kind: 'routes', id: 'r1' },
    { kind: 'hosts', id: 'h1' },
    { kind: 'gateways', id: 'g1' },
  ] as const
  keys.forEach((key) => t.same(parseKey(printKey(key)), key))
  const bad = [
    '',
    'upstreams',
    'upstreams/',
    'upstreams/web/x',
    'instances/web',
    'instances/web/a/b',
    'instances/Web/a',
    'x/web',
    'routes/../x',
  ]
  bad.forEach((text) => t.equal(parseKey(text), null, text))
})

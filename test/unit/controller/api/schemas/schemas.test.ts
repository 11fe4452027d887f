/** The schemas of the API agree with the guards. */
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import t from 'tap'
import { isInstanceId, isName } from '../../../../../contract/guard/names.js'
import { guardUpstream } from '../../../../../contract/record/upstream-record.js'
import { guardInstance } from '../../../../../contract/record/instance-record.js'
import { InstanceBody, UpstreamBody } from '../../../../../controller/api/schemas/common.js'
import { InstanceParams } from '../../../../../controller/api/schemas/parameters.js'

// The guards judge, the schemas document. What one takes, the other must.

t.test('names are documented as they are judged', async () => {
  const schema = Compile(InstanceParams)
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9_.:-]{0,140}$/))
  fc.assert(
    fc.property(text, text, (upstream, id) => {
      fc.pre(id !== '.' && id !== '..')
      return schema.Check({ upstream, id }) === (isName(upstream) && isInstanceId(id))
    }),
    {
      examples: [
        ['web', 'a:1'],
        ['-a', 'a'],
        ['a'.repeat(63), 'b'.repeat(128)],
      ],
      numRuns: 500,
    },
  )
})

t.test('bodies are documented as they are judged', async (t) => {
  const schema = Compile(InstanceBody)
  const port = fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.constantFrom('80', 1.5, null))
  const weight = fc.oneof(fc.integer({ min: -1, max: 1_100 }), fc.constantFrom('1', 0.5))
  const ttlMs = fc.oneof(fc.integer({ min: 900, max: 86_400_100 }), fc.constantFrom('5000'))
  const maxConns = fc.oneof(fc.integer({ min: -1, max: 66_000 }), fc.constant('1'))
  const zone = fc.constantFrom('eu-1a', 'EU', '', 7)
  const backup = fc.constantFrom(true, false, 'true')
  const body = fc.record(
    { port, weight, ttlMs, maxConns, zone, backup, extra: fc.constant(1) },
    { requiredKeys: ['port'] },
  )
  fc.assert(
    fc.property(body, (fields) => {
      const instance = { host: '10.0.0.1', ...fields }
      return schema.Check(instance) === guardInstance(instance, { allowLoopback: false }).ok
    }),
    { numRuns: 500 },
  )
  const upstream = Compile(UpstreamBody)
  const bodies = [
    {},
    { policy: {} },
    { policy: { balance: 'random' } },
    { policy: { balance: 'x' } },
    { policy: { balance: 'hash', hash: { key: 'cookie:user', loadPercent: 110 } } },
    { policy: { balance: 'hash', hash: { key: 'body' } } },
    { policy: { sticky: { by: 'cookie' } } },
    { policy: { sticky: { by: 'cookie', name: 'a b' } } },
    { policy: { sticky: { by: 'cookie', key: 'uri' } } },
    { policy: { sticky: { by: 'route', key: 'argument:id', keepDraining: true } } },
    { policy: { sticky: { by: 'route' } } },
    { policy: { sticky: { name: 'x' } } },
    { policy: { retry: {} } },
    { policy: { retry: { statuses: [503, 429], budgetPercent: 20 } } },
    { policy: { retry: { statuses: [503, 503] } } },
    { policy: { retry: { statuses: [404] } } },
    { policy: { retry: { tries: 9 } } },
    { policy: { eject: { maxFails: 0, errorPercent: 50, panicPercent: 0 } } },
    { policy: { eject: { latencyPercent: 100 } } },
    { policy: { slowStartMs: 0, zone: 'ignore' } },
    { policy: { zone: 'east' } },
    { policy: { check: { type: 'tcp', rise: 1 } } },
    { policy: { check: { type: 'http', path: '/healthz', headers: { accept: 'x' } } } },
    { policy: { check: { type: 'ping' } } },
    { policy: { check: { type: 'http', fall: 0 } } },
    { dns: [{ name: 'web.internal', port: 80, ipv6: true, weight: 7 }] },
    { dns: [{ srv: '_http._tcp.web.internal.' }] },
    { dns: [] },
    { dns: [{ name: '10.0.0.7', port: 80 }] },
    { dns: [{ name: 'Web', port: 80 }] },
    { dns: [{ name: 'web' }] },
    { dns: [{ srv: 'web', port: 80 }] },
    { a: 1 },
    7,
  ]
  for (const one of bodies) {
    t.equal(upstream.Check(one), guardUpstream(one).ok, JSON.stringify(one))
  }
})

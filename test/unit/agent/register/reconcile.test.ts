/** (wanted, registered) → operations, by properties. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { agentRoutePrefix } from '../../../../runtime/agent-routes.js'
import { isOwn, COMMIT_OPERATIONS, reconcile } from '../../../../agent/register/reconcile.js'
import type { Registered } from '../../../../agent/register/reconcile.js'
import type { RegistryOperation } from '../../../../registry/registry.js'

const AGENT = 'node-1'
const LEASE = 'lease-2'

const text = (weight: number) =>
  JSON.stringify({ host: '10.0.0.1', port: 80, weight, agent: AGENT })
const keys = [
  ...Array.from({ length: 12 }, (_, i) => `instances/web/a:${i}`),
  ...Array.from({ length: 4 }, (_, i) => `routes/${agentRoutePrefix(AGENT)}${i}`),
  `hosts/${AGENT}`,
]
const key = fc.constantFrom(...keys)
const value = fc.integer({ min: 1, max: 3 }).map(text)
const wanted = fc.array(fc.tuple(key, value)).map((pairs) => new Map(pairs))
const registered = fc
  .array(fc.tuple(key, fc.record({ value, bound: fc.boolean() })))
  .map((pairs) => new Map<string, Registered>(pairs))

/** A registry that takes operations one list at a time, as one would. */
function apply(
  registered: ReadonlyMap<string, Registered>,
  commits: RegistryOperation[][],
): Map<string, Registered> {
  const after = new Map(registered)
  for (const operation of commits.flat()) {
    if (operation.type === 'delete') {
      after.delete(operation.key)
    } else {
      after.set(operation.key, { value: operation.value, bound: operation.lease === LEASE })
    }
  }
  return after
}

t.test('afterwards the registry holds what was wanted, under the lease', async () => {
  fc.assert(
    fc.property(wanted, registered, (wanted, registered) => {
      const { commits } = reconcile(wanted, registered, new Set(), LEASE)
      const after = apply(registered, commits)
      assert.deepEqual(
        [...after].map(([key, { value }]) => [key, value]).sort(),
        [...wanted].sort(),
      )
      for (const [key, { bound }] of after) {
        if (!key.startsWith('routes/')) {
          assert.ok(bound)
        }
      }
      assert.deepEqual(
        reconcile(wanted, after, new Set(), LEASE).commits,
        [],
        'and nothing is left to do',
      )
    }),
  )
})

t.test('what is equal and under the lease is not touched', async () => {
  fc.assert(
    fc.property(wanted, registered, (wanted, registered) => {
      const touched = new Set(
        reconcile(wanted, registered, new Set(), LEASE)
          .commits.flat()
          .map(({ key }) => key),
      )
      for (const [key, { value, bound }] of registered) {
        if (bound && wanted.get(key) === value) {
          assert.ok(!touched.has(key))
        }
      }
    }),
  )
})

t.test('an instance that goes is marked before it is deleted, in a commit of its own', async () => {
  fc.assert(
    fc.property(wanted, registered, (wanted, registered) => {
      const { commits } = reconcile(wanted, registered, new Set(), LEASE)
      for (const operations of commits) {
        assert.equal(new Set(operations.map(({ key }) => key)).size, operations.length)
      }
      const flat = commits.flat()
      for (const [at, operation] of flat.entries()) {
        if (operation.type !== 'delete' || !operation.key.startsWith('instances/')) {
          continue
        }
        const mark = flat.slice(0, at).find(({ key }) => key === operation.key)
        assert.ok(mark?.type === 'put' && (JSON.parse(mark.value) as { gone?: true }).gone)
      }
    }),
  )
})

t.test('a key of somebody else is never touched', async () => {
  fc.assert(
    fc.property(wanted, fc.uniqueArray(key), (wanted, foreign) => {
      const { commits, taken } = reconcile(wanted, new Map(), new Set(foreign), LEASE)
      for (const { key } of commits.flat()) {
        assert.ok(!foreign.includes(key))
      }
      assert.deepEqual(
        taken,
        [...wanted.keys()].filter((key) => foreign.includes(key)),
      )
    }),
  )
})

t.test('what is new is put only if it is not there', async (t) => {
  const { commits } = reconcile(
    new Map([['instances/web/a', text(1)]]),
    new Map(),
    new Set(),
    LEASE,
  )
  t.match(commits, [[{ type: 'put', ifRevision: 0, lease: LEASE }]])
})

t.test('a route has no lease', async (t) => {
  const route = `routes/${agentRoutePrefix(AGENT)}1`
  const { commits } = reconcile(new Map([[route, '{}']]), new Map(), new Set(), LEASE)
  t.notOk('lease' in (commits[0]?.[0] ?? {}))
})

t.test('many operations go in several commits, the deletes last', async (t) => {
  const many = (from: number) => Array.from({ length: 250 }, (_, i) => `instances/web/${from + i}`)
  const wanted = new Map(many(0).map((key) => [key, text(1)]))
  const there = new Map(many(1000).map((key) => [key, { value: text(1), bound: true }]))
  const { commits } = reconcile(wanted, there, new Set(), LEASE)
  t.ok(commits.every((operations) => operations.length <= COMMIT_OPERATIONS))
  const types = commits.map((operations) => [...new Set(operations.map(({ type }) => type))].join())
  t.same(types, ['put', 'put', 'put', 'put', 'put', 'delete', 'delete', 'delete'])
})

t.test('an agent knows its own', async (t) => {
  const own = (key: string, value: string) => isOwn({ key, value }, AGENT)
  t.ok(own('instances/web/x', text(1)))
  t.notOk(own('instances/web/x', JSON.stringify({ agent: 'node-2' })))
  t.notOk(own('instances/web/x', '{}'), 'by REST')
  t.notOk(own('instances/web/x', 'null'))
  t.notOk(own('instances/web/x', 'no json'))
  t.ok(own('hosts/node-1', '{}'))
  t.notOk(own('hosts/node-2', '{}'))
  t.ok(own(`routes/${agentRoutePrefix(AGENT)}1`, '{}'))
  t.notOk(own(`routes/${agentRoutePrefix('node-2')}1`, '{}'))
  t.notOk(own('routes/mine', '{}'))
  t.notOk(own('upstreams/web', text(1)))
})

/** The plan of all hosts is kept by its differences, and a change plans only what it concerns. */
import fc from 'fast-check'
import t from 'tap'
import type { DesiredRoute } from '../../../../controller/state/desired.js'
import { HostPlanner, planHosts } from '../../../../controller/table/host-planner.js'

type Record = DesiredRoute['record']

function route(id: string, record: Partial<Record>): DesiredRoute {
  return { id, revision: 1, record: { pathPrefix: '/', ...record } as Record }
}

t.test('a change behind ten thousand routes plans its own hosts, and no others', async (t) => {
  const planner = new HostPlanner(['localhost'])
  const routes = new Map(
    Array.from({ length: 10_000 }, (_, n) => {
      const one = route(`r${n}`, { hosts: [`h${n}.test`], upstream: 'web' })
      return [one.id, one]
    }),
  )
  planner.update(routes.values(), ['web'])
  t.equal(planner.planned, 10_001, 'at first all of them')
  routes.set('r7', route('r7', { hosts: ['h7.test', 'new.test'], upstream: 'web' }))
  planner.update(routes.values(), ['web'])
  t.equal(planner.planned, 2, 'the hosts of the route')
  planner.update(routes.values(), ['web', 'more'])
  t.equal(planner.planned, 1, 'the host of the upstream')
  routes.delete('r7')
  const { hosts } = planner.update(routes.values(), ['web', 'more'])
  t.equal(planner.planned, 2, 'the hosts that it had')
  t.notOk(hosts.has('h7.test'))
})

t.test('after any changes the plan is the one that is made at once', async (t) => {
  const hosts = ['a.test', 'b.test', '*.test', 'web.localhost']
  const record = fc.record({
    hosts: fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 3 }),
    pathPrefix: fc.constantFrom('/', '/api'),
    target: fc.constantFrom(
      { upstream: 'web' },
      { upstream: 'api' },
      { split: [{ upstream: 'web', weight: 1, where: { v: '2' } }] },
      { redirect: { to: '/x', status: 302 } },
    ),
  })
  const id = fc.constantFrom('a', 'b', 'c', 'agent-x')
  const upstreams = fc.subarray(['web', 'api', 'solo'])
  const change = fc.record({ id, record: fc.option(record), upstreams })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const planner = new HostPlanner(['localhost'])
      const routes = new Map<string, DesiredRoute>()
      for (const { id, record, upstreams } of changes) {
        routes.delete(id)
        if (record !== null) {
          const { target, ...rest } = record
          routes.set(id, route(id, { ...rest, ...(target as Partial<Record>) }))
        }
        t.same(
          sorted(planner.update(routes.values(), upstreams)),
          sorted(planHosts(routes.values(), upstreams, ['localhost'])),
        )
      }
    }),
    { numRuns: 60 },
  )
})

function sorted({ hosts, overruled, ...units }: ReturnType<typeof planHosts>): object {
  const text = (one: unknown): string => JSON.stringify(one)
  const ofUnits = Object.values(units).map((map) => [...map.entries()].map(text).sort())
  return [[...hosts.values()].map(text).sort(), overruled.map(text).sort(), ofUnits]
}

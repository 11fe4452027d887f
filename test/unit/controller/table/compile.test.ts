/** The table that a desired state compiles to. */
import fc from 'fast-check'
import t from 'tap'
import type { OverrideRecord } from '../../../../contract/record/override-record.js'
import type { RouteRecord } from '../../../../contract/record/route.js'
import { isTableKey, isTableValue, parsePeer } from '../../../../contract/table/table.js'
import { sidOf } from '../../../../controller/state/sid.js'
import { compileUpstream } from '../../../../controller/table/compiled-upstream.js'
import { unitOfUpstream } from '../../../../controller/table/upstream-unit.js'
import { Compiler } from '../../../../controller/table/compiler.js'
import type {
  Desired,
  DesiredInstance,
  DesiredUpstream,
} from '../../../../controller/state/desired.js'
import { planHosts } from '../../../../controller/table/host-planner.js'
import { choose } from '../../../../njs/choose/choice.js'
import { findUnit } from '../../../../njs/table/lookup.js'
import { silentLogger } from '../../../../runtime/logger.js'

const DRAIN: OverrideRecord = { drain: true, atMs: 1 }

function one(
  id: string,
  port: number,
  more: Partial<DesiredInstance> & { weight?: number; state?: 'up' | 'down' | 'draining' } = {},
): DesiredInstance {
  const { weight = 1, state = 'up', ...rest } = more
  const record = { host: '10.0.0.1', port, weight, state }
  return { id, record, override: undefined, suspect: undefined, revision: 1, ...rest }
}

function upstream(name: string, ...instances: DesiredInstance[]): DesiredUpstream {
  const map = new Map(instances.map((instance) => [instance.id, instance]))
  return { name, policy: { balance: 'random' }, revision: 1, instances: map }
}

function route(id: string, record: Partial<RouteRecord> & { hosts: string[] }) {
  return { id, record: { pathPrefix: '/', ...record }, revision: 1 }
}

function desired(upstreams: DesiredUpstream[], routes: ReturnType<typeof route>[] = []): Desired {
  return {
    revision: 1,
    upstreams: new Map(upstreams.map((each) => [each.name, each])),
    routes: new Map(routes.map((each) => [each.id, each])),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
}

const NONE: ReadonlySet<string> = new Set()
const compiler = () => new Compiler(['localhost'], silentLogger)

t.test('only what is up has slots; all are in the lines', async (t) => {
  const all = upstream(
    'web',
    one('a', 1),
    one('b', 2, { state: 'draining' }),
    one('c', 3, { override: DRAIN }),
  )
  const sid = (port: number) => sidOf('10.0.0.1', port)
  const { entries } = unitOfUpstream(compileUpstream(all), new Set([sid(2)]))
  for (let slot = 0; slot < 50; slot++) {
    t.equal(entries.get(`:web/${slot}`), sid(1))
  }
  const lines = (entries.get(':web#0') ?? '').split('\n').map(parsePeer)
  t.same(lines.map(({ id, up, pooled }) => [id, up, pooled]).sort(), [
    ['a', true, false],
    ['b', false, true],
    ['c', false, false],
  ])
})

t.test('two instances at one address are one peer', async (t) => {
  const peers = (...instances: DesiredInstance[]) =>
    compileUpstream(upstream('web', ...instances)).peers
  t.match(peers(one('b', 1, { weight: 3 }), one('a', 1)), [{ id: 'a', weight: 3, up: true }])
  t.match(peers(one('a', 1, { state: 'down' }), one('b', 1)), [{ id: 'b', up: true }])
  t.match(peers(one('a', 1, { override: DRAIN }), one('b', 1)), [{ id: 'b', up: false }])
  t.equal(peers(one('a', 1), one('b', 1)).length, 1)
})

t.test('an upstream that is empty or down has a record and no slots', async (t) => {
  for (const each of [upstream('web'), upstream('web', one('a', 1, { state: 'down' }))]) {
    const { entries } = unitOfUpstream(compileUpstream(each), NONE)
    t.match(entries.get(':web'), /^[0-9a-f]{8} 1$/)
    t.notOk([...entries.keys()].some((key) => key.includes('/')))
  }
})

t.test(
  'hosts: routes before the default name, the lowest id first, longest prefix first',
  async (t) => {
    const plan = planHosts(
      [
        route('r2', { hosts: ['app.test'], upstream: 'two' }),
        route('r1', { hosts: ['app.test'], upstream: 'one' }),
        route('p1', { hosts: ['app.test', 'web.localhost'], pathPrefix: '/api', upstream: 'api' }),
        route('p2', {
          hosts: ['app.test'],
          pathPrefix: '/api/v2',
          split: [{ upstream: 'api', weight: 1 }],
        }),
        route('w', { hosts: ['*.test', 'one.localhost'], upstream: 'wild' }),
      ],
      ['web', 'one'],
      ['localhost'],
    )
    const lines = (host: string) =>
      plan.hosts.get(host)?.routes.map(({ prefix, target }) => `${prefix} ${target}`)
    t.same(lines('app.test'), ['/api/v2 ~p2', '/api :api', '/ :one'])
    t.same(lines('web.localhost'), ['/api :api', '/ :web'])
    t.same(lines('one.localhost'), ['/ :wild'])
    t.match(plan.overruled, [{ route: 'r2', host: 'app.test' }])
    t.equal(plan.hosts.get('*.test')?.fast, undefined)
    t.equal(plan.hosts.get('one.localhost')?.fast, ':wild')
    t.equal(plan.hosts.get('app.test')?.fast, undefined)
  },
)

t.test("an operator's route comes before one that a container asks for", async (t) => {
  const plan = planHosts(
    [
      route('agent-1-a', { hosts: ['app.test'], upstream: 'theirs' }),
      route('agent-2-a', { hosts: ['app.test', 'both.test'], upstream: 'same' }),
      route('agent-3-a', { hosts: ['both.test'], upstream: 'same' }),
      route('zz', { hosts: ['app.test'], upstream: 'ours' }),
    ],
    [],
    ['localhost'],
  )
  t.match(plan.hosts.get('app.test')?.routes, [{ prefix: '/', target: ':ours' }])
  t.match(plan.hosts.get('both.test')?.routes, [{ prefix: '/', target: ':same' }])
  t.equal(plan.hosts.get('both.test')?.routes.length, 1)
  const overruled = plan.overruled.map(({ route: id, host }) => `${id} ${host}`)
  t.same(overruled, ['agent-1-a app.test', 'agent-2-a app.test'], 'two that agree are at peace')
})

t.test('slots of hosts say who it is, where a gateway takes that from them', async (t) => {
  const it = compiler()
  const split = (id: string, other: string) =>
    route(id, {
      hosts: [`${id}.test`],
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: other, weight: 1 },
      ],
    })
  const routes = [
    route('r', { hosts: ['web.test'], upstream: 'web' }),
    split('apart', 'api'),
    split('alike', 'twin'),
  ]
  const named = (id: string) => [
    upstream('web', one(id, 1), one('gone', 1, { state: 'down' })),
    upstream('api', one('c', 2)),
    upstream('twin', one('t', 1)),
  ]
  const [web, api] = [sidOf('10.0.0.1', 1), sidOf('10.0.0.1', 2)]
  const slots = (host: string) => {
    const all = [...(it.units.get(`@${host}`)?.entries ?? [])].filter(([key]) => /\/\d/.test(key))
    t.same(
      all.filter(([key, value]) => !isTableValue(key, value)),
      [],
    )
    return new Set(all.map(([, value]) => value))
  }
  it.update(desired(named('a'), routes), NONE)
  t.same(slots('web.test'), new Set([web]))
  it.setNamed(true)
  const changed = it.update(desired(named('a'), routes), NONE)
  t.ok(changed.has('@web.test') && !changed.has(':web'))
  t.same(slots('web.test'), new Set([`${web}=web=a`]))
  t.same(slots('apart.test'), new Set([`${web}=web=a`, `${api}=api=c`]))
  t.same(slots('alike.test'), new Set([web]), 'one address of two upstreams says nothing')
  it.update(desired(named('b'), routes), NONE)
  t.same(slots('web.test'), new Set([`${web}=web=b`]))
  t.same(slots('apart.test'), new Set([`${web}=web=b`, `${api}=api=c`]), 'another id, the same SID')
  it.setNamed(false)
  it.update(desired(named('b'), routes), NONE)
  t.same(slots('web.test'), new Set([web]))
})

t.test('a change compiles only what it concerns', async (t) => {
  const it = compiler()
  const [web, api] = [upstream('web', one('a', 1)), upstream('api', one('a', 2))]
  const routes = [
    route('r', { hosts: ['web.test'], upstream: 'web' }),
    route('s', {
      hosts: ['split.test'],
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: 'api', weight: 1 },
      ],
    }),
  ]
  const first = desired([web, api], routes)
  t.equal(it.update(first, NONE).size, 7)
  t.same([...it.update(first, NONE)], [])
  const next = {
    ...first,
    upstreams: new Map([
      ['web', upstream('web', one('a', 1), one('b', 3))],
      ['api', api],
    ]),
  }
  const changed = it.update(next, NONE)
  // Hosts of a split have the split's own slots.
  t.same([...changed].sort(), [':web', '@split.test', '@web.localhost', '@web.test', '~s'])
  t.same([...it.update(next, new Set([sidOf('10.0.0.1', 2)]))], [':api'])
  t.same(
    [...it.update({ ...next, upstreams: new Map([['api', api]]) }, NONE)].includes(':web'),
    true,
  )
  t.equal(it.units.has('@web.localhost'), false)
  t.equal(it.units.has('@web.test'), true, 'a route to nobody stays')
})

t.test('any desired state: the data plane finds what is desired, whatever the order', async (t) => {
  const name = fc.constantFrom('web', 'api', 'db', 'default')
  const instances = fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z0-9]{1,4}$/),
      port: fc.integer({ min: 1, max: 60 }),
      weight: fc.integer({ min: 1, max: 1000 }),
      state: fc.constantFrom('up' as const, 'down' as const, 'draining' as const),
      drained: fc.boolean(),
    }),
    { selector: ({ id }) => id, maxLength: 40 },
  )
  const upstreams = fc.uniqueArray(fc.tuple(name, instances), { selector: ([each]) => each })
  fc.assert(
    fc.property(upstreams, (list) => {
      const build = (turned: boolean) => {
        const made = list.map(([each, found]) => {
          const all = found.map(({ id, port, weight, state, drained }) =>
            one(id, port, { weight, state, override: drained ? DRAIN : undefined }),
          )
          return upstream(each, ...(turned ? all.reverse() : all))
        })
        const it = compiler()
        it.update(desired(turned ? made.reverse() : made), NONE)
        return it.units
      }
      const [units, turned] = [build(false), build(true)]
      const table = new Map<string, string>()
      for (const [key, unit] of units) {
        t.same(new Map(turned.get(key)?.entries), new Map(unit.entries))
        for (const [entry, value] of unit.entries) {
          if (!isTableKey(entry) || !isTableValue(entry, value)) {
            throw new Error(entry)
          }
          table.set(entry, value)
        }
      }
      for (const [each, found] of list) {
        const dict = table as never
        const asked = { uri: '/', variables: {} }
        const draw = { unit: findUnit(dict, `@${each}.localhost/7`, asked), slot: '7', share: 500 }
        const ground = { table: dict, load: dict, request: asked, nowMs: 0 }
        const choice = choose(ground, draw, { upstream: '', sid: '' }, '')
        const drained = new Set(found.filter((peer) => peer.drained).map((peer) => peer.port))
        const up = found.filter(({ state, port }) => state === 'up' && !drained.has(port))
        if ((choice === null) !== (up.length === 0)) {
          throw new Error(`${each}: ${JSON.stringify(choice)}`)
        }
        const port = Number(choice?.peer.address.split(':')[1])
        if (choice !== null && !up.some((peer) => peer.port === port)) {
          throw new Error(`${port} is not up`)
        }
      }
    }),
    { numRuns: 60 },
  )
})

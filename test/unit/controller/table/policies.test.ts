/** The table entries of each policy. */
import { createHmac } from 'node:crypto'
import t from 'tap'
import type { PeerTls } from '../../../../contract/record/peer-tls.js'
import { guardRoute } from '../../../../contract/record/route.js'
import type { Split } from '../../../../contract/record/route-split.js'
import { guardPolicy } from '../../../../contract/record/policy.js'
import type { InstanceRecord } from '../../../../contract/record/instance-record.js'
import { RING_POSITIONS } from '../../../../contract/table/rules.js'
import { isTableKey, isTableValue } from '../../../../contract/table/table.js'

import { sidOf } from '../../../../controller/state/sid.js'
import { ANYWHERE, compileUpstream } from '../../../../controller/table/compiled-upstream.js'
import { unitOfUpstream } from '../../../../controller/table/upstream-unit.js'
import type { GatewayTraits } from '../../../../controller/table/compiled-upstream.js'
import { Compiler } from '../../../../controller/table/compiler.js'
import type { Condition } from '../../../../controller/state/conditions.js'
import type { DesiredInstance, DesiredUpstream } from '../../../../controller/state/desired.js'
import { compileSplit } from '../../../../controller/table/split-unit.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { readLines, readLists, readRing, readRules } from '../../../support/reader.js'
import type { Table } from '../../../support/reader.js'

const PLACE: GatewayTraits = { zone: undefined, sessionKey: () => 'a key' }
const HERE: GatewayTraits = { ...PLACE, zone: 'here' }
const NONE: ReadonlySet<string> = new Set()

type More = Partial<InstanceRecord> & { drained?: true }

/** Instances by id; their ports count from 1. */
function upstream(policy: object, instances: Record<string, More>): DesiredUpstream {
  const checked = guardPolicy(policy)
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  const made = Object.entries(instances).map(([id, more], i): [string, DesiredInstance] => {
    const { drained, ...fields } = more
    const record = { host: '10.0.0.1', port: i + 1, weight: 1, state: 'up' as const, ...fields }
    const override = drained && { drain: true as const, atMs: 1 }
    return [id, { id, record, override, suspect: undefined, revision: 1 }]
  })
  return { name: 'web', policy: checked.value, revision: 1, instances: new Map(made) }
}

interface Options {
  place?: GatewayTraits
  conditions?: Record<string, Condition>
}

function compiled(one: DesiredUpstream, { place = PLACE, conditions = {} }: Options = {}): Table {
  const unit = unitOfUpstream(
    compileUpstream(one, place, new Map(Object.entries(conditions))),
    NONE,
  )
  for (const [key, value] of unit.entries) {
    if (!isTableKey(key) || !isTableValue(key, value)) {
      throw new Error(`${key}: ${value}`)
    }
  }
  return unit.entries
}

/** The ids of the two lists, in the order of the ports and not of the SIDs where `sorted`. */
function lists(table: Table): { main: string[]; spill: string[] } {
  const ids = new Map(readLines(table, ':web').map(({ sid, id }) => [sid, id]))
  const { main, spill } = readLists(table, ':web')
  const named = (list: Array<{ sid: string }>) => list.map(({ sid }) => ids.get(sid) ?? '?')
  return { main: named(main), spill: named(spill) }
}

const record = (table: Table) => table.get(':web')?.slice(9)
const hasSlots = (table: Table) => table.has(':web/0')
const times = (list: string[]) =>
  Object.fromEntries(
    [...new Set(list)].sort().map((id) => [id, list.filter((x) => x === id).length]),
  )

const THREE = { a: {}, b: {}, c: {} }

t.test('what needs no more than a draw is as it always was', async (t) => {
  const plain = compiled(upstream({}, THREE))
  t.equal(record(plain), '1')
  const same = [
    { zone: 'prefer' },
    { slowStartMs: 10_000 },
    { eject: { maxFails: 1 } },
    { retry: {} },
    { retry: { tries: 8 } },
  ]
  for (const policy of same) {
    t.same(compiled(upstream(policy, THREE)), plain, JSON.stringify(policy))
  }
  t.same(compiled(upstream({}, { a: { zone: 'x' }, b: { zone: 'y' }, c: {} })), plain)
})

t.test('each policy has its rules, and slots where they suffice', async (t) => {
  const cases: Array<[policy: object, rules: string, slots: boolean]> = [
    [{ retry: { tries: 2 } }, '1 n 0 0 tries=2', true],
    [{ retry: { timeoutMs: 500 } }, '1 n 0 0 timeoutMs=500', true],
    [{ retry: { nonIdempotent: true } }, '1 w 3 0 nonIdempotent=true', false],
    [{ retry: { statuses: [429, 503] } }, '1 w 3 0 statuses=9', false],
    [{ retry: { budgetPercent: 20 } }, '1 w 3 0 budgetPercent=20', false],
    [{ balance: 'roundRobin' }, '1 r 3 0', false],
    [{ balance: 'leastConn' }, '1 c 3 0', false],
    [{ balance: 'randomTwo' }, '1 t 3 0', false],
    [{ balance: 'leastTime' }, '1 l 3 0 measured=true', false],
    [{ balance: 'ipHash' }, '1 h 3 0 key=network', false],
    [
      { balance: 'hash', hash: { key: 'header:X-User', loadPercent: 125 } },
      '1 h 3 0 key=header:x-user weights=3 loadPercent=125',
      false,
    ],
    [{ eject: { errorPercent: 50 } }, '1 w 3 0 measured=true', false],
    [{ eject: { latencyPercent: 300 } }, '1 w 3 0 measured=true', false],
    [{ sticky: { by: 'cookie', name: 'id' } }, '1 w 3 0 sticky=cookie:id', false],
    [
      { sticky: { by: 'route', key: 'argument:jsessionid' } },
      '1 w 3 0 sticky=route:argument:jsessionid',
      false,
    ],
  ]
  for (const [policy, rules, slots] of cases) {
    const table = compiled(upstream(policy, THREE))
    t.equal(record(table), rules, JSON.stringify(policy))
    t.equal(hasSlots(table), slots)
    t.equal(readRules(table, ':web')?.tries, Number(/tries=(\d)/.exec(rules)?.[1] ?? 8))
  }
  const overTls = (tls: PeerTls) => record(compiled({ ...upstream({}, THREE), tls }))
  const name = 'shop.internal'
  const all = '1 w 3 0'
  t.equal(overTls({ serverName: name, verify: true }), `${all} tls=verified:${name}`)
  t.equal(overTls({ serverName: name, verify: false }), `${all} tls=any:${name}`)
  t.equal(overTls({ verify: false }), `${all} tls=any:`)
  const overGrpc = record(compiled({ ...upstream({}, THREE), protocol: 'grpc' }))
  t.equal(overGrpc, `${all} protocol=grpc`, 'the hop has all of it')
  const capped = compiled(upstream({}, { ...THREE, d: { maxConns: 40 } }))
  t.equal(record(capped), '1 w 4 0 capped=true')
  t.same(
    readLists(capped, ':web')
      .main.map(({ weight, maxConns }) => [weight, maxConns])
      .sort(),
    [
      [1, 0],
      [1, 0],
      [1, 0],
      [1, 40],
    ],
  )
})

t.test('each balance has the list that it chooses from', async (t) => {
  const weighted = { a: { weight: 50 }, b: { weight: 10 }, c: { weight: 10 } }
  for (const balance of ['roundRobin', 'randomTwo', 'leastTime']) {
    const table = compiled(upstream({ balance }, weighted))
    t.same(times(lists(table).main), { a: 5, b: 1, c: 1 }, balance)
  }
  const order = lists(compiled(upstream({ balance: 'roundRobin' }, weighted))).main
  t.match(order.join(' '), /^a a ([bc]) a (?!\1)[bc] a a$/)
  t.same(times(lists(compiled(upstream({ balance: 'leastConn' }, weighted))).main), {
    a: 1,
    b: 1,
    c: 1,
  })
  const hashed = compiled(upstream({ balance: 'ipHash' }, weighted))
  const main = lists(hashed).main
  const ring = times(readRing(hashed, ':web').map((index) => main[index] ?? '?'))
  t.equal(readRing(hashed, ':web').length, RING_POSITIONS)
  const bounded = { balance: 'hash', hash: { key: 'uri', loadPercent: 125 } }
  t.equal(readRules(compiled(upstream(bounded, weighted)), ':web')?.weights, 70)
  t.ok(Math.abs((ring.a ?? 0) - (RING_POSITIONS * 5) / 7) < 10, JSON.stringify(ring))
  const drained = { ...weighted, a: { weight: 50, drained: true as const } }
  t.same(times(lists(compiled(upstream({ balance: 'roundRobin' }, drained))).main), { b: 1, c: 1 })
  t.equal(readRules(compiled(upstream({ balance: 'ipHash' }, drained)), ':web')?.count, 2)
  const nobody = compiled(upstream({ balance: 'roundRobin' }, { a: { state: 'down' } }))
  t.match(readRules(nobody, ':web'), { count: 0, spill: 0 })
})

t.test('tiers: the own zone, the others, backups', async (t) => {
  const all = {
    near: { zone: 'here' },
    near2: { zone: 'here' },
    far: { zone: 'there' },
    nowhere: {},
    spare: { backup: true as const, zone: 'here' },
  }
  const policy = { balance: 'roundRobin' }
  const tiers = (given: Record<string, More>, options: Options = {}, more: object = {}) => {
    const { main, spill } = lists(compiled(upstream({ ...policy, ...more }, given), options))
    return [[...main].sort().join(' '), spill.join(' ').replace('nowhere far', 'far nowhere')]
  }
  t.same(tiers(all, { place: HERE }), ['near near2', 'far nowhere spare'])
  t.same(tiers(all), ['far near near2 nowhere', 'spare'], 'no zone of its own')
  t.same(tiers(all, { place: HERE }, { zone: 'ignore' }), ['far near near2 nowhere', 'spare'])
  const { far, nowhere, spare } = all
  const others = { far, nowhere, spare }
  t.same(tiers(others, { place: HERE }), ['far nowhere', 'spare'])
  t.same(tiers({ spare: all.spare }, { place: HERE }), ['spare', ''])
  const down = { state: 'down' as const }
  const conditions = { near: down, near2: down }
  t.same(tiers(all, { place: HERE, conditions }), ['far nowhere', 'spare'])
  t.same(tiers(all, { place: HERE, conditions: { ...conditions, far: down, nowhere: down } }), [
    'spare',
    '',
  ])
})

t.test('tiers hold for slots too, and lower ones stay in the lines', async (t) => {
  const table = compiled(
    upstream({}, { near: { zone: 'here' }, far: { zone: 'there' }, spare: { backup: true } }),
    { place: HERE },
  )
  t.equal(record(table), '1')
  for (let slot = 0; slot < 50; slot++) {
    t.equal(table.get(`:web/${slot}`), sidOf('10.0.0.1', 1))
  }
  t.same(
    readLines(table, ':web')
      .map(({ id, up }) => [id, up])
      .sort(),
    [
      ['far', true],
      ['near', true],
      ['spare', true],
    ],
  )
})

const digest = (id: string) =>
  createHmac('sha256', 'a key').update(`web/${id}`).digest('hex').slice(0, 16)

t.test('sessions by cookie name instances by a digest', async (t) => {
  const instances = {
    a: { weight: 3 },
    b: { drained: true as const },
    c: { state: 'down' as const },
  }
  const table = compiled(upstream({ sticky: { by: 'cookie', ttlMs: 1500 } }, instances))
  t.equal(table.get(':web$'), '; Path=/; Max-Age=2; HttpOnly; SameSite=Lax')
  t.equal(table.get(`:web$${digest('a')}`), `${sidOf('10.0.0.1', 1)}000300000u`)
  t.equal([...table.keys()].filter((key) => key.includes('$')).length, 2)
  t.same(
    readLines(table, ':web').map(({ id, token }) => token === digest(id)),
    [true, true, true],
  )
  const sticky = {
    ...{ by: 'cookie', name: 'x', path: '/app', secure: true, httpOnly: false },
    ...{ sameSite: 'none', keepDraining: true },
  }
  const kept = compiled(upstream({ sticky }, instances))
  t.equal(kept.get(':web$'), '; Path=/app; Secure; SameSite=None')
  t.equal(kept.get(`:web$${digest('b')}`), `${sidOf('10.0.0.1', 2)}000100000d`)
  t.notOk(kept.has(`:web$${digest('c')}`))
  const ejected = compiled(upstream({ sticky }, instances), {
    conditions: { a: { state: 'down' }, b: { state: 'down' } },
  })
  t.same(
    [...ejected.keys()].filter((key) => key.includes('$')),
    [':web$'],
  )
  const nowhere = compiled(upstream({ sticky }, instances), { place: ANYWHERE })
  t.same(
    [...nowhere.keys()].filter((key) => key.includes('$')),
    [':web$'],
    'without a key no cookie names anybody',
  )
  t.same(
    readLines(nowhere, ':web').map(({ token }) => token),
    ['', '', ''],
  )
})

t.test('sessions by route name instances by their ids', async (t) => {
  const sticky = { by: 'route', key: 'cookie:JSESSIONID' }
  const table = compiled(upstream({ sticky }, { 'web-1': {}, 'h:web.2:80': {} }))
  t.equal(table.get(':web$web-1'), `${sidOf('10.0.0.1', 1)}000100000u`)
  t.equal(table.get(':web$h:web.2:80'), `${sidOf('10.0.0.1', 2)}000100000u`)
  t.notOk(table.has(':web$'))
  t.same(
    readLines(table, ':web').map(({ token }) => token),
    ['', ''],
  )
})

t.test('shares: who warms up gets its part, and at least one', async (t) => {
  const conditions = { a: { state: 'up' as const, share: 0.35 } }
  const table = compiled(upstream({ balance: 'roundRobin' }, THREE), { conditions })
  t.same(times(lists(table).main), { a: 2, b: 5, c: 5 })
  const tiny = { a: { state: 'up' as const, share: 0.001 } }
  const least = compiled(upstream({ balance: 'roundRobin' }, THREE), { conditions: tiny })
  t.same(times(lists(least).main), { a: 1, b: 10, c: 10 })
  const heavy = upstream({ balance: 'leastConn' }, { a: { weight: 1000 }, b: { weight: 1000 } })
  const entries = readLists(compiled(heavy, { conditions }), ':web').main
  t.same(entries.map(({ weight }) => weight).sort(), [3150, 9000])
  const slots = compiled(upstream({}, { a: {}, b: {} }), {
    conditions: { a: { state: 'up', share: 0.25 } },
  })
  const own = [...slots].filter(
    ([key, value]) => key.includes('/') && value === sidOf('10.0.0.1', 1),
  )
  t.equal(own.length, 11, '3 of 13 parts, in whole slots')
  for (const [balance, warm] of [
    ['leastConn', 'c'],
    ['randomTwo', 't'],
  ] as const) {
    const cold = compiled(upstream({ balance }, THREE), { conditions })
    t.match(readRules(cold, ':web'), { balance: 's', count: 3 }, `${balance}: each once`)
    t.equal(readRules(compiled(upstream({ balance }, THREE)), ':web')?.balance, warm)
  }
})

t.test('trials send one request to what is down', async (t) => {
  const sid = sidOf('10.0.0.1', 1)
  const conditions = { a: { state: 'down' as const, trial: 3 }, c: { state: 'down' as const } }
  const table = compiled(upstream({ balance: 'roundRobin' }, THREE), { conditions })
  t.equal(readRules(table, ':web')?.trial, `3${sid}`)
  t.same(lists(table), { main: ['b'], spill: [] })
  const native = compiled(upstream({}, THREE), { conditions })
  const marked = [...native].filter(([, value]) => value.startsWith('!'))
  t.same(marked, [
    [`:web/${parseInt(sid.slice(0, 6), 16) % 50}`, `!3${sid}${sidOf('10.0.0.1', 2)}`],
  ])
  t.same(
    readLines(native, ':web')
      .map(({ id, up }) => [id, up])
      .sort(),
    [
      ['a', false],
      ['b', true],
      ['c', false],
    ],
  )
  const alone = { ...conditions, b: { state: 'down' as const } }
  const last = compiled(upstream({}, THREE), { conditions: alone })
  for (let slot = 0; slot < 50; slot++) {
    t.equal(last.get(`:web/${slot}`), sid)
  }
  const ruled = compiled(upstream({ balance: 'leastConn' }, THREE), { conditions: alone })
  t.same(lists(ruled).main, ['a'])
  t.equal(readRules(ruled, ':web')?.trial, '')
})

t.test('a host has no slots of its own where those of its split have cells', async (t) => {
  const many = Array.from({ length: 1000 }, (_, i): [string, More] => [`i${i}`, {}])
  const web = upstream({ balance: 'leastConn' }, Object.fromEntries(many))
  const record = {
    ...{ hosts: ['app.test'], pathPrefix: '/' },
    split: [{ upstream: 'web', weight: 1 }],
  }
  const routes = new Map([['canary', { id: 'canary', record, revision: 1 }]])
  const it = new Compiler(['localhost'], silentLogger, PLACE)
  it.update(
    {
      revision: 1,
      upstreams: new Map([['web', web]]),
      routes,
      streamRoutes: new Map(),
      certificates: new Map(),
    },
    NONE,
  )
  t.match(it.units.get('~canary')?.entries.get('~canary/0'), /^\$#\d+$/)
  t.same([...(it.units.get('@app.test')?.entries.keys() ?? [])], ['@app.test'])
})

t.test("a split's slots name instances, or the upstream where its rules choose", async (t) => {
  const arm = (policy: object, conditions: Record<string, Condition> = {}, place = PLACE) =>
    compileUpstream(
      upstream(policy, { a: { zone: 'here' }, b: { zone: 'there' } }),
      place,
      new Map(Object.entries(conditions)),
    )
  const other = { ...upstream({}, { x: { host: '10.0.0.2' } }), name: 'api' }
  const arms = (web: ReturnType<typeof arm>) => [
    { weight: 1, compiled: web },
    { weight: 1, compiled: compileUpstream(other) },
  ]
  const values = (web: ReturnType<typeof arm>) =>
    [...compileSplit('~s', arms(web), { split: [] }).entries].filter(([key]) => key.includes('/'))
  const plain = values(arm({}))
  t.same(
    values(arm({ balance: 'roundRobin' })),
    plain.map(([key, value]) => [key, `$${value}`]),
  )
  t.same(values(arm({ retry: { tries: 2 } })), plain)
  const near = new Set(values(arm({}, {}, HERE)).map(([, value]) => value))
  t.same([...near].sort(), [sidOf('10.0.0.1', 1), sidOf('10.0.0.2', 1)].sort(), 'the main tier')
  const trial = { a: { state: 'down' as const, trial: 1 } }
  t.equal(values(arm({}, trial)).filter(([, value]) => value.startsWith('!1')).length, 1)
  t.notOk(values(arm({ balance: 'roundRobin' }, trial)).some(([, value]) => value.includes('!')))
  for (const [key, value] of values(arm({ balance: 'roundRobin' }))) {
    t.ok(isTableKey(key) && isTableValue(key, value))
  }
})

t.test(
  'a split that more than a draw decides: no slots, and nothing of an arm that is down',
  async (t) => {
    const web = compileUpstream(upstream({}, THREE))
    const next = { ...upstream({}, { x: { host: '10.0.0.2' } }), name: 'next' }
    const down = { ...upstream({}, { x: { state: 'down' } }), name: 'next' }
    const when = { headers: { 'x-canary': 'always' } }
    const split: Split = {
      split: [
        { upstream: 'web', weight: 9 },
        { upstream: 'next', weight: 1 },
        { upstream: 'next', weight: 0, when },
      ],
      stick: { by: 'hash', key: 'address' },
    }
    const lines = (of: DesiredUpstream, more: Partial<Split> = {}) => {
      const arms = split.split.map((arm) => {
        return { ...arm, compiled: arm.upstream === 'web' ? web : compileUpstream(of) }
      })
      const { entries } = compileSplit('~canary', arms, { ...split, ...more })
      t.equal(entries.size, 1)
      const [[key, value] = ['', '']] = entries
      t.ok(isTableKey(key) && isTableValue(key, value))
      return value.slice(9).split('\n')
    }
    const forced = ':next\thttp_x_canary=always'
    t.same(lines(next), [':next :web', '=canary address', forced, '9 :web', '1 :next'])
    t.same(lines(down), [':next :web', '=canary address', '9 :web'])
    const checked = guardRoute({
      ...{ hosts: ['a'], split: split.split },
      stick: { by: 'cookie', ttlMs: 60_000, seed: 'two' },
    })
    const stick = checked.ok && checked.value.stick
    const given = '=two given sluice-arm\t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax'
    t.equal(stick && lines(next, { stick })[1], given)
  },
)

t.test('the compiler writes anew what conditions and hosts concern', async (t) => {
  const it = new Compiler(['localhost'], silentLogger, PLACE)
  const web = upstream({}, THREE)
  const desired = {
    revision: 1,
    upstreams: new Map([['web', web]]),
    routes: new Map(),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
  it.update(desired, NONE)
  const known = new Map([['a', { state: 'down' as const, trial: 1 }]])
  const conditionsOf = () => known
  t.same([...it.update(desired, NONE, conditionsOf)].sort(), [':web', '@web.localhost'])
  const trials = [...(it.units.get('@web.localhost')?.entries ?? [])].filter(([, value]) =>
    value.startsWith('!'),
  )
  t.equal(trials.length, 1, 'a host copies the trial')
  t.same([...it.update(desired, NONE, conditionsOf)], [], 'the same object is not compiled again')
  t.same([...it.update(desired, NONE)].sort(), [':web', '@web.localhost'])
  const ruled = { ...web, policy: { balance: 'leastConn' as const } }
  it.update({ ...desired, upstreams: new Map([['web', ruled]]) }, NONE)
  t.same([...(it.units.get('@web.localhost')?.entries.keys() ?? [])], ['@web.localhost'])
})

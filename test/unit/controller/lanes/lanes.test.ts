/** Which gates are open as the desired state changes: real files, and a worker played by hand. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Policy } from '../../../../contract/record/policy.js'
import type { RouteRecord } from '../../../../contract/record/route.js'
import type { PoolRecord } from '../../../../controller/pool/dns-answer.js'
import { LANE_DOMAIN } from '../../../../controller/lanes/lane-names.js'
import { Lanes } from '../../../../controller/lanes/lanes.js'
import type { InstanceConditions } from '../../../../controller/state/conditions.js'
import type { Desired, DesiredUpstream } from '../../../../controller/state/desired.js'
import { Seats } from '../../../../controller/pool/seats.js'
import { sidOf } from '../../../../controller/state/sid.js'
import { Compiler } from '../../../../controller/table/compiler.js'
import { DesiredTable } from '../../../../controller/table/desired-table.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { readOnly } from '../../../support/read-only.js'

const NONE: ReadonlySet<string> = new Set()
const [A, B, C] = [1, 2, 3]
const PAGE = { status: 503, contentType: 'text/plain', body: 'later' }

interface Given {
  ports: number[]
  draining?: number[]
  policy?: Policy
  more?: object
}

function upstream(name: string, { ports, draining = [], policy, more }: Given): DesiredUpstream {
  const instances = ports.map((port) => {
    const state = draining.includes(port) ? ('draining' as const) : ('up' as const)
    const record = { host: '10.0.0.1', port, weight: 1, state, ...more }
    return { id: `i${port}`, record, override: undefined, suspect: undefined, revision: 1 }
  })
  return {
    ...{ name, policy: policy ?? { balance: 'random' }, revision: 1 },
    instances: new Map(instances.map((instance) => [instance.id, instance])),
  }
}

type Routes = Record<string, Partial<RouteRecord> & { hosts: string[] }>

function desired(upstreams: DesiredUpstream[], routes: Routes = {}): Desired {
  const all = Object.entries(routes).map(([id, record]) => {
    return [id, { id, record: { pathPrefix: '/', ...record }, revision: 1 }] as const
  })
  return {
    revision: 1,
    upstreams: new Map(upstreams.map((each) => [each.name, each])),
    routes: new Map(all),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
}

const sid = (port: number) => sidOf('10.0.0.1', port)

async function atPeer(lanes: Lanes, port: number): Promise<number | undefined> {
  const [count] = await lanes.inFlightAt([sid(port)])
  return count
}

function scene(t: Parameters<typeof temporaryFolder>[0], home = temporaryFolder(t, 'lanes')) {
  const gateway = { isLevel: true, isFenced: false, asked: 0 }
  /** In flight by lane; 0 when not set. */
  const counts = new Map<string, number | undefined>()
  /** Ids of gates of upstreams, which locations lead to that name them. */
  const named = new Set<string>()
  const compiler = new Compiler(['localhost'], silentLogger)
  const lanes = new Lanes({
    ...{ home, most: 10, log: silentLogger },
    isFenced: () => gateway.isFenced,
    isLevel: () => gateway.isLevel,
    inFlight: async (id) => {
      gateway.asked++
      return counts.has(id) ? counts.get(id) : 0
    },
    onChange: () => undefined,
  })
  lanes.start()
  t.teardown(() => lanes.close())
  const set = (to: Desired, conditions?: InstanceConditions): void => {
    compiler.update(to, NONE, () => conditions)
    const { plan } = compiler
    try {
      lanes.update({ desired: to, plan, compiled: (name) => compiler.compiled(name) })
    } finally {
      lanes.plan.named.forEach(({ id }) => named.add(id))
    }
  }
  let questions = 0
  const waiting = new Set<string>()
  /** A question that was not answered waits, and nginx asks no other until then. */
  const ask = (id: string, port: number): void => {
    const worker = `${id} ${port}`
    if (waiting.has(worker)) {
      return
    }
    const asker = {
      ...{ port, id: ++questions },
      send: (records: readonly PoolRecord[]): void => {
        waiting.delete(worker)
        for (const record of records) {
          lanes.names.answer('target' in record ? record.target : '', 'A', asker)
        }
      },
    }
    const answered = lanes.names.answer(`_http._tcp.${id}.${LANE_DOMAIN}`, 'SRV', asker)
    if (answered?.records === undefined) {
      waiting.add(worker)
    } else {
      asker.send(answered.records)
    }
  }
  /** A worker of nginx asks twice for all, so it has taken all. */
  const take = (port = 5001): void => {
    for (let i = 0; i < 2; i++) {
      for (const id of lanes.plan.lanes.keys()) {
        ask(id, port)
      }
    }
  }
  const all = (): string[] => readdirSync(join(home, 'gates')).sort()
  /** Gates of hosts. */
  const open = (): string[] => all().filter((name) => !named.has(name.slice(0, 16)))
  const opens = (count: number) => until(() => open().length === count, { what: `${count} gates` })
  /** Some looks later. */
  const later = async (): Promise<void> => {
    const { asked } = gateway
    let looks = 0
    const beat = lanes.names.beat.bind(lanes.names)
    lanes.names.beat = () => {
      looks++
      beat()
    }
    await until(() => looks > 2 || gateway.asked > asked + 10)
    lanes.names.beat = beat
  }
  const laneOf = (name: string): string => {
    const [lane] = [...lanes.plan.lanes.values()].filter((each) => each.upstream === name)
    return lane?.id ?? ''
  }
  return { home, gateway, counts, lanes, set, take, all, open, opens, later, laneOf }
}

t.test('a gate opens when nginx has taken who is there and the table is level', async (t) => {
  const { gateway, set, take, open, opens, later } = scene(t)
  gateway.isLevel = false
  set(desired([upstream('web', { ports: [A] }), upstream('api', { ports: [B] })]))
  await later()
  t.same(open(), [])
  take()
  await later()
  t.same(open(), [], 'the table is not level')
  gateway.isLevel = true
  await opens(2)
  const before = open()
  set(desired([upstream('web', { ports: [A] }), upstream('api', { ports: [B, C] })]))
  t.equal(open().length, 1, 'closed when update returns; the other one stays')
  await later()
  t.equal(open().length, 1)
  take()
  await opens(2)
  t.same(open(), before, 'a gate is what it means')
})

t.test('whatever a host leads to is closed before it leads elsewhere', async (t) => {
  const { set, take, open, opens } = scene(t)
  const upstreams = [upstream('web', { ports: [A] }), upstream('api', { ports: [B] })]
  const only = { hosts: ['app.test'], upstream: 'web' }
  const changes: Record<string, Routes> = {
    'another upstream': { app: { ...only, upstream: 'api' } },
    'a path': { app: only, sub: { ...only, pathPrefix: '/api', upstream: 'api' } },
    'a condition': { app: only, some: { ...only, headers: { 'x-a': '1' }, upstream: 'api' } },
    maintenance: { app: { ...only, maintenance: PAGE } },
    nothing: {},
  }
  for (const [what, routes] of Object.entries(changes)) {
    set(desired(upstreams, { app: only }))
    take()
    await opens(3)
    const before = open()
    set(desired(upstreams, routes))
    t.equal(open().length, 2, what)
    set(desired(upstreams, { app: only }))
    take()
    await opens(3)
    t.same(open(), before)
  }
})

t.test('an upstream that nginx cannot know all of is closed', async (t) => {
  const { set, take, all, opens, later } = scene(t)
  const web = upstream('web', { ports: [A, B] })
  const cases: Array<[string, DesiredUpstream, InstanceConditions?]> = [
    ['ejected', web, new Map([[`i${B}`, { state: 'down', ejected: true }]])],
    ['on trial', web, new Map([[`i${B}`, { state: 'down', trial: 1 }]])],
    ['warming up', web, new Map([[`i${B}`, { state: 'up', share: 0.5 }]])],
    ['maxConns', upstream('web', { ports: [A, B], more: { maxConns: 5 } })],
    ['IPv6', upstream('web', { ports: [A, B], more: { host: '::1' } })],
    ['nobody', upstream('web', { ports: [A], draining: [A] })],
    ['another policy', upstream('web', { ports: [A, B], policy: { balance: 'leastTime' } })],
  ]
  for (const [what, now, conditions] of cases) {
    set(desired([web]))
    take()
    await opens(1)
    set(desired([now]), conditions)
    t.same(all(), [], what)
    take()
    await later()
    t.same(all(), [], `${what}, and it stays closed`)
  }
})

t.test('a drain keeps it closed until no request of the lane is left', async (t) => {
  const { counts, lanes, set, take, open, opens, later, laneOf } = scene(t)
  set(desired([upstream('web', { ports: [A, B] })]))
  t.equal(await atPeer(lanes, A), 0)
  take()
  await opens(1)
  counts.set(laneOf('web'), 2)
  t.equal(await atPeer(lanes, A), undefined, 'at one of two')
  t.equal(await atPeer(lanes, C), 0)
  set(desired([upstream('web', { ports: [A, B], draining: [B] })]))
  t.same(open(), [])
  take()
  await later()
  t.same(open(), [], 'two requests may be at the one that drains')
  t.equal(await atPeer(lanes, B), undefined)
  counts.set(laneOf('web'), undefined)
  await later()
  t.same(open(), [], 'nobody knows')
  t.equal(await atPeer(lanes, B), undefined)
  counts.set(laneOf('web'), 0)
  t.equal(await atPeer(lanes, B), 0)
  await opens(1)
  counts.set(laneOf('web'), 3)
  t.equal(await atPeer(lanes, B), 0, 'it was not in the lane when that was opened')
  t.equal(await atPeer(lanes, A), 3, 'the only one in it')
})

t.test(
  'requests of a lane that nothing leads to any more are counted until they end',
  async (t) => {
    const { counts, lanes, set, take, open, opens, later, laneOf } = scene(t)
    set(desired([upstream('web', { ports: [A] })]))
    take()
    await opens(1)
    const old = laneOf('web')
    counts.set(old, 1)
    set(desired([upstream('web', { ports: [A], policy: { balance: 'leastConn' } })]))
    t.not(laneOf('web'), old)
    t.same(open(), [])
    t.equal(await atPeer(lanes, A), 1)
    set(desired([upstream('web', { ports: [A], policy: { balance: 'leastTime' } })]))
    await later()
    t.equal(await atPeer(lanes, A), 1)
    counts.set(old, 0)
    await later()
    counts.set(old, 7)
    t.equal(await atPeer(lanes, A), 0, 'it was seen to be empty, and is forgotten')
  },
)

t.test('a controller that begins knows nothing of what was let through', async (t) => {
  const one = scene(t)
  one.set(desired([upstream('web', { ports: [A, B] })]))
  one.take()
  await one.opens(1)
  one.lanes.close()
  t.equal(one.open().length, 1, 'one that ends leaves them')
  const two = scene(t, one.home)
  t.same(two.open(), [], 'one that begins closes all')
  two.set(desired([upstream('web', { ports: [A, B], draining: [B] })]))
  two.counts.set(two.laneOf('web'), 1)
  t.equal(await atPeer(two.lanes, B), undefined)
  two.take()
  await two.later()
  t.same(two.open(), [])
  two.counts.clear()
  await two.opens(1)
})

t.test('a new worker, a new nginx and another controller close all', async (t) => {
  const { gateway, lanes, set, take, all, open, opens, later } = scene(t)
  set(desired([upstream('web', { ports: [A] }), upstream('api', { ports: [B] })]))
  take()
  await opens(2)
  t.equal(all().length, 4, 'two upstreams have gates of their own')
  take(5002)
  t.same(all(), [], 'before the new worker is answered')
  take(5001)
  await opens(2)
  lanes.nginxStarted()
  t.same(open(), [])
  await later()
  t.same(open(), [])
  take()
  await opens(2)
  gateway.isFenced = true
  await opens(0)
  take()
  await later()
  t.same(all(), [])
})

t.test('what another controller opens is closed before a change is sent', async (t) => {
  const { home, set, take, open, opens, lanes } = scene(t)
  set(desired([upstream('web', { ports: [A] })]))
  take()
  await opens(1)
  const [gate = ''] = open()
  set(desired([upstream('web', { ports: [A, B] })]))
  t.same(open(), [])
  writeFileSync(join(home, 'gates', gate), '')
  set(desired([upstream('web', { ports: [A, B, C] })]))
  t.same(open(), [])
  writeFileSync(join(home, 'gates', gate), '')
  await opens(0)
  take()
  await opens(1)
  rmSync(join(home, 'gates', gate))
  await opens(1)
  t.equal(lanes.openGates, 2, 'one that somebody removed is opened again')
})

t.test('while a gate cannot be closed, each try of a change is refused', async (t) => {
  const web = upstream('web', { ports: [A, B] })
  const changes: Record<string, Desired> = {
    'an instance goes': desired([upstream('web', { ports: [A] })]),
    'an instance drains': desired([upstream('web', { ports: [A, B], draining: [B] })]),
    'the upstream goes': desired([]),
    'the host leads elsewhere': desired([web, upstream('api', { ports: [C] })], {
      r: { hosts: ['web.localhost'], upstream: 'api' },
    }),
    'a policy nginx has no words for': desired([
      upstream('web', { ports: [A, B], policy: { balance: 'leastTime' } }),
    ]),
  }
  for (const [what, change] of Object.entries(changes)) {
    const { home, lanes, set, take, all, open, opens, later } = scene(t)
    set(desired([web]))
    take()
    await opens(1)
    const undo = readOnly(t, join(home, 'gates'))
    const refused = { code: 'internal', message: /^the gate .* cannot be closed/ }
    for (let i = 0; i < 3; i++) {
      t.throws(() => set(change), refused.message, `${what}, try ${i}`)
    }
    take(5002)
    lanes.nginxStarted()
    await later()
    t.equal(open().length, 1)
    undo()
    set(change)
    t.same(all(), [], what)
    lanes.close()
  }
})

t.test('a change that is refused is not lost: its units are sent with the next try', async (t) => {
  let isRefused = true
  const table = new DesiredTable({
    ...{ domains: ['localhost'], log: silentLogger, poolPort: undefined, seats: new Seats() },
    traits: { zone: undefined, sessionKey: () => undefined },
    desired: () => desired([upstream('web', { ports: [A] })]),
    conditionsOf: () => undefined,
    ready: () => true,
    isLevel: () => true,
    awaitsCertificates: () => false,
    onChange: () => undefined,
    onCompiled: () => {
      if (isRefused) {
        throw new Error('refused')
      }
    },
  })
  t.teardown(() => table.close())
  t.throws(() => table.update(), /refused/)
  t.throws(() => table.update(), /refused/)
  isRefused = false
  t.same([...table.update()].sort(), [':web', '@web.localhost'])
  t.same([...table.update()], [])
})

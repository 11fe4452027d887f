import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ControlEvent } from '../../../../controller/views.js'
import { isOwnAddress } from '../../../../controller/own-addresses.js'
import { instanceState } from '../../../../controller/state/desired.js'
import { State } from '../../../../controller/state/state.js'
import type { Change, RegistryEntry } from '../../../../registry/registry.js'
import type { Logger } from '../../../../runtime/logger.js'
import { until } from '../../../../lab/until.js'

function make(holdMs = 60_000, policy = { allowLoopback: false }) {
  const said: string[] = []
  const rejected: string[] = []
  const events: ControlEvent[] = []
  const note = (_: unknown, message: string) => void said.push(message)
  const log = {
    debug: note,
    info: note,
    warn: note,
    error: note,
    child: () => log,
  } as unknown as Logger
  let clock = 0
  let believed = 0
  const state = new State({
    policy,
    isOwn: (host, port) => isOwnAddress(new Set(['10.0.0.1:8080']), host, port),
    log,
    onRejected: (rule) => rejected.push(rule),
    suspects: { holdMs, windowMs: 15_000, now: () => clock + performance.now() },
    onEvent: (event) => events.push(event),
    onBelieved: () => void believed++,
  })
  return {
    state,
    said,
    rejected,
    events,
    believed: () => believed,
    pass: (ms: number) => (clock += ms),
  }
}

let revision = 100
const instance = (upstream: string, id: string, more: object = {}): RegistryEntry => ({
  key: `instances/${upstream}/${id}`,
  value: JSON.stringify({ host: '10.0.0.7', port: 80 + id.charCodeAt(0), ...more }),
  revision: ++revision,
})
const put = (entry: RegistryEntry): Change => ({ type: 'put', ...entry })
const gone = (key: string, expired: boolean | undefined): Change => ({
  type: 'delete',
  key,
  revision: ++revision,
  expired,
})
const listing = (...entries: RegistryEntry[]) => ({ revision, entries })
const names = (state: State, upstream: string) => [
  ...(state.desired().upstreams.get(upstream)?.instances.keys() ?? []),
]
const ids = ['a', 'b', 'c', 'd', 'e', 'f']

t.test('what did not change stays the same object', async (t) => {
  const { state } = make()
  state.listing(listing(instance('web', 'a'), instance('api', 'a')), false)
  const before = state.desired()
  t.equal(state.desired(), before)
  state.changes([put(instance('web', 'b'))], revision)
  const after = state.desired()
  t.not(after, before)
  t.equal(after.upstreams.get('api'), before.upstreams.get('api'))
  t.not(after.upstreams.get('web'), before.upstreams.get('web'))
  t.equal(before.upstreams.get('web')?.instances.size, 1)
  t.equal(after.routes, before.routes)
})

t.test('the revision is of the kinds that make the table', async (t) => {
  const { state } = make()
  const a = instance('web', 'a')
  const gateway = { key: 'gateways/g', value: '{}', revision: ++revision }
  state.listing({ revision: revision + 5, entries: [a, gateway] }, false)
  t.equal(state.desired().revision, a.revision)
  t.equal(state.known, revision + 5)
  state.changes([put({ key: 'hosts/h', value: '{}', revision: revision + 6 })], revision + 6)
  t.equal(state.desired().revision, a.revision)
  state.raise(a.revision + 1)
  t.equal(state.desired().revision, a.revision + 1)
  state.raise(revision + 1000)
  t.equal(state.desired().revision, a.revision + 1, 'of another store')
})

t.test('a bad value is refused by name, once, and the last good one stays', async (t) => {
  const { state, said, rejected } = make()
  const good = instance('web', 'a')
  state.listing(listing(good), false)
  for (const value of [
    '{',
    '{"host":"10.0.0.8"}',
    '{"host":"127.0.0.1","port":1}',
    '{"host":"10.0.0.1","port":8080}',
  ]) {
    state.changes([put({ ...good, value, revision: ++revision })], revision)
    state.changes([put({ ...good, value, revision: ++revision })], revision)
  }
  t.same(rejected, ['json', 'port', 'host', 'address'])
  t.equal(said.filter((line) => line === 'registry value refused').length, 4)
  t.match(state.desired().upstreams.get('web')?.instances.get('a')?.record, { host: '10.0.0.7' })
  state.changes([put({ key: 'instances/../x', value: '{}', revision: ++revision })], revision)
  t.equal(rejected.at(-1), 'key')
})

t.test('overrides wait for their instance and outlive it', async (t) => {
  const { state } = make()
  const override = {
    key: 'overrides/web/a',
    value: '{"drain":true,"atMs":1}',
    revision: ++revision,
  }
  state.listing(listing(override), false)
  t.equal(state.desired().upstreams.size, 0)
  state.changes([put(instance('web', 'a'))], revision)
  const found = state.desired().upstreams.get('web')?.instances.get('a')
  t.equal(found && instanceState(found).state, 'draining')
})

t.test('gone and deleted on purpose are removed at once, however many', async (t) => {
  const { state } = make()
  state.listing(listing(...ids.map((id) => instance('web', id))), false)
  state.changes([put(instance('web', 'a', { gone: true }))], revision)
  t.same(names(state, 'web'), ids.slice(1))
  state.changes(
    ids.slice(1).map((id) => gone(`instances/web/${id}`, false)),
    revision,
  )
  t.equal(state.desired().upstreams.size, 0)
  t.same(state.suspects(), [])
})

t.test('one that expires is removed at once', async (t) => {
  const { state } = make()
  state.listing(listing(...ids.map((id) => instance('web', id))), false)
  state.changes([gone('instances/web/a', true)], revision)
  t.same(names(state, 'web'), ids.slice(1))
})

t.test(
  'more than half of a large upstream is held, also what was believed just before',
  async (t) => {
    const { state, events } = make()
    state.listing(listing(...ids.map((id) => instance('web', id))), false)
    state.changes([gone('instances/web/a', true)], revision)
    state.changes([gone('instances/web/b', undefined), gone('instances/web/c', true)], revision)
    t.same(names(state, 'web').sort(), ['d', 'e', 'f'])
    state.changes([gone('instances/web/d', true)], revision)
    t.same(names(state, 'web').sort(), ids)
    t.match(state.suspects(), [{ upstream: 'web', instances: /./ }])
    t.same(state.suspects()[0]?.instances.sort(), ['a', 'b', 'c', 'd'])
    t.ok(events.some(({ type }) => type === 'suspect'))
    t.match(state.desired().upstreams.get('web')?.instances.get('a')?.suspect, /4 of 6/)
    state.changes([put(instance('web', 'a'))], revision)
    t.same(state.suspects()[0]?.instances.sort(), ['b', 'c', 'd'])
    t.equal(state.desired().upstreams.get('web')?.instances.get('a')?.suspect, undefined)
    state.confirm('web')
    t.same(names(state, 'web').sort(), ['a', 'e', 'f'])
  },
)

t.test('losses far apart are each believed', async (t) => {
  const { state, pass } = make()
  state.listing(listing(...ids.map((id) => instance('web', id))), false)
  for (const id of ids) {
    state.changes([gone(`instances/web/${id}`, true)], revision)
    pass(16_000)
  }
  t.equal(state.desired().upstreams.size, 0)
})

t.test('a small upstream is not held by itself', async (t) => {
  const { state } = make()
  state.listing(listing(instance('web', 'a'), instance('web', 'b'), instance('api', 'a')), false)
  state.changes([gone('instances/web/a', true), gone('instances/web/b', true)], revision)
  t.same([...state.desired().upstreams.keys()], ['api'])
})

t.test(
  'an empty or replaced registry empties nothing, until it has been there for a while',
  async (t) => {
    for (const restored of [false, true]) {
      const { state, believed } = make(40)
      const route = {
        key: 'routes/r',
        value: '{"hosts":["a.test"],"upstream":"web"}',
        revision: ++revision,
      }
      const override = {
        key: 'overrides/web/a',
        value: '{"drain":true,"atMs":1}',
        revision: ++revision,
      }
      state.listing(listing(instance('web', 'a'), route, override), false)
      state.connected(true)
      state.connected(false)
      const entries = restored ? [{ ...instance('api', 'z'), revision: 3 }] : []
      state.listing({ revision: restored ? 3 : ++revision, entries }, restored)
      t.same(names(state, 'web'), ['a'])
      t.equal(state.desired().routes.size, 1)
      const held = state.desired().upstreams.get('web')?.instances.get('a')
      t.equal(held && instanceState(held).state, 'draining')
      await sleep(60)
      t.same(names(state, 'web'), ['a'], 'no time passes while the registry is away')
      state.connected(true)
      await until(() => believed() === 1)
      t.same(names(state, 'web'), [])
      t.equal(state.desired().routes.size, 0)
      if (restored) {
        t.equal(state.desired().revision, 3)
      }
      state.close()
    }
  },
)

t.test('the same listing again changes nothing', async (t) => {
  const { state, events } = make()
  const all = listing(...ids.map((id) => instance('web', id)))
  state.listing(all, false)
  const before = state.desired()
  events.length = 0
  state.listing(all, false)
  t.equal(state.desired(), before)
  t.same(events, [])
})

t.test('duplicates are allowed and said', async (t) => {
  const { state, said } = make()
  const same = { host: '10.0.0.9', port: 80 }
  state.listing(listing(instance('web', 'a', same), instance('api', 'a', same)), false)
  t.ok(said.includes('one address is registered in several upstreams'))
  state.changes([put(instance('web', 'b', { agent: 'one' }))], revision)
  state.changes([put(instance('web', 'b', { agent: 'two', weight: 7 }))], revision)
  t.ok(said.includes('two agents register one instance; the last one wins'))
  t.equal(state.desired().upstreams.get('web')?.instances.get('b')?.record.weight, 7)
})

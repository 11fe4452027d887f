/** The desired state, from changes of the registry. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ControllerEvent } from '../../../../controller/views.js'
import { isOwnAddress } from '../../../../controller/own-addresses.js'
import { instanceState } from '../../../../controller/state/desired.js'
import { LastGood } from '../../../../controller/state/last-good.js'
import { State } from '../../../../controller/state/state.js'
import type { Change, RegistryEntry } from '../../../../registry/registry.js'
import type { Logger } from '../../../../runtime/logger.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'

function make(holdMs = 60_000, policy = { allowLoopback: false }, lastGood?: string) {
  const said: string[] = []
  const rejected: string[] = []
  const events: ControllerEvent[] = []
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
    ...(lastGood !== undefined && { lastGood: new LastGood(lastGood, log) }),
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
  value: JSON.stringify({ host: '10.0.0.7', port: 80 + id.charCodeAt(0), ttlMs: 9000, ...more }),
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
  state.onListing(listing(instance('web', 'a'), instance('api', 'a')), false)
  const before = state.desired()
  t.equal(state.desired(), before)
  state.onChanges([put(instance('web', 'b'))], revision)
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
  state.onListing({ revision: revision + 5, entries: [a, gateway] }, false)
  t.equal(state.desired().revision, a.revision)
  t.equal(state.known, revision + 5)
  state.onChanges([put({ key: 'hosts/h', value: '{}', revision: revision + 6 })], revision + 6)
  t.equal(state.desired().revision, a.revision)
  state.raise(a.revision + 1)
  t.equal(state.desired().revision, a.revision + 1)
  state.raise(revision + 1000)
  t.equal(state.desired().revision, a.revision + 1, 'of another store')
})

t.test('a bad value is refused by name, once, and the last good one stays', async (t) => {
  const { state, said, rejected } = make()
  const good = instance('web', 'a')
  state.onListing(listing(good), false)
  for (const value of [
    '{',
    '{"host":"10.0.0.8"}',
    '{"host":"127.0.0.1","port":1}',
    '{"host":"10.0.0.1","port":8080}',
  ]) {
    state.onChanges([put({ ...good, value, revision: ++revision })], revision)
    state.onChanges([put({ ...good, value, revision: ++revision })], revision)
  }
  t.same(rejected, ['json', 'port', 'host', 'address'])
  t.equal(said.filter((line) => line === 'registry value refused').length, 4)
  t.match(state.desired().upstreams.get('web')?.instances.get('a')?.record, { host: '10.0.0.7' })
  state.onChanges([put({ key: 'instances/../x', value: '{}', revision: ++revision })], revision)
  t.equal(rejected.at(-1), 'key')
})

t.test('overrides wait for their instance and outlive it', async (t) => {
  const { state } = make()
  const override = {
    key: 'overrides/web/a',
    value: '{"drain":true,"atMs":1}',
    revision: ++revision,
  }
  state.onListing(listing(override), false)
  t.equal(state.desired().upstreams.size, 0)
  state.onChanges([put(instance('web', 'a'))], revision)
  const found = state.desired().upstreams.get('web')?.instances.get('a')
  t.equal(found && instanceState(found).state, 'draining')
})

t.test('gone and deleted on purpose are removed at once, however many', async (t) => {
  const { state } = make()
  state.onListing(listing(...ids.map((id) => instance('web', id))), false)
  state.onChanges([put(instance('web', 'a', { gone: true }))], revision)
  t.same(names(state, 'web'), ids.slice(1))
  state.onChanges(
    ids.slice(1).map((id) => gone(`instances/web/${id}`, false)),
    revision,
  )
  t.equal(state.desired().upstreams.size, 0)
  t.same(state.suspects(), [])
})

t.test('one that expires is removed at once', async (t) => {
  const { state } = make()
  state.onListing(listing(...ids.map((id) => instance('web', id))), false)
  state.onChanges([gone('instances/web/a', true)], revision)
  t.same(names(state, 'web'), ids.slice(1))
})

t.test(
  'more than half of a large upstream is held, also what was believed just before',
  async (t) => {
    const { state, events } = make()
    state.onListing(listing(...ids.map((id) => instance('web', id))), false)
    state.onChanges([gone('instances/web/a', true)], revision)
    state.onChanges([gone('instances/web/b', undefined), gone('instances/web/c', true)], revision)
    t.same(names(state, 'web').sort(), ['d', 'e', 'f'])
    state.onChanges([gone('instances/web/d', true)], revision)
    t.same(names(state, 'web').sort(), ids)
    t.match(state.suspects(), [{ upstream: 'web', instances: /./ }])
    t.same(state.suspects()[0]?.instances.sort(), ['a', 'b', 'c', 'd'])
    t.ok(events.some(({ type }) => type === 'suspect'))
    t.match(state.desired().upstreams.get('web')?.instances.get('a')?.suspect, /4 of 6/)
    state.onChanges([put(instance('web', 'a'))], revision)
    t.same(state.suspects()[0]?.instances.sort(), ['b', 'c', 'd'])
    t.equal(state.desired().upstreams.get('web')?.instances.get('a')?.suspect, undefined)
    state.confirm('web')
    t.same(names(state, 'web').sort(), ['a', 'e', 'f'])
  },
)

t.test('losses far apart are each believed', async (t) => {
  const { state, pass } = make()
  state.onListing(listing(...ids.map((id) => instance('web', id))), false)
  for (const id of ids) {
    state.onChanges([gone(`instances/web/${id}`, true)], revision)
    pass(16_000)
  }
  t.equal(state.desired().upstreams.size, 0)
})

t.test('a small upstream is not held by itself', async (t) => {
  const { state } = make()
  state.onListing(listing(instance('web', 'a'), instance('web', 'b'), instance('api', 'a')), false)
  state.onChanges([gone('instances/web/a', true), gone('instances/web/b', true)], revision)
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
      state.onListing(listing(instance('web', 'a'), route, override), false)
      state.setConnected(true)
      state.setConnected(false)
      const entries = restored ? [{ ...instance('api', 'z'), revision: 3 }] : []
      state.onListing({ revision: restored ? 3 : ++revision, entries }, restored)
      t.same(names(state, 'web'), ['a'])
      t.equal(state.desired().routes.size, 1)
      const held = state.desired().upstreams.get('web')?.instances.get('a')
      t.equal(held && instanceState(held).state, 'draining')
      await sleep(60)
      t.same(names(state, 'web'), ['a'], 'no time passes while the registry is away')
      state.setConnected(true)
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

t.test('what was lost and is registered again in one batch is there', async (t) => {
  const { state } = make()
  state.onListing(listing(instance('web', 'a'), instance('web', 'b')), false)
  const lost = gone('instances/web/a', undefined)
  state.onChanges([lost, put(instance('web', 'a', { weight: 2 }))], revision)
  t.equal(state.desired().upstreams.get('web')?.instances.get('a')?.record.weight, 2)
  state.onChanges(
    [put(instance('web', 'b', { weight: 3 })), gone('instances/web/b', true)],
    revision,
  )
  t.same(names(state, 'web'), ['a'])
})

t.test('what has no lease cannot be lost by one', async (t) => {
  const { state } = make()
  const plain = (id: string) => instance('web', id, { ttlMs: undefined })
  state.onListing(listing(...ids.map(plain)), false)
  state.onChanges([gone('instances/web/a', undefined)], revision)
  state.onChanges(
    ids.slice(1, 4).map((id) => gone(`instances/web/${id}`, undefined)),
    revision,
  )
  t.same(names(state, 'web').sort(), ['e', 'f'])
  state.onListing({ revision: ++revision, entries: [plain('f')] }, false)
  t.same(names(state, 'web'), ['f'], 'nor by what happened before a listing')
  t.same(state.suspects(), [])
})

t.test('what came back and was deleted then is not held with the rest', async (t) => {
  const { state } = make()
  state.onListing(listing(...ids.map((id) => instance('web', id))), false)
  state.onChanges([gone('instances/web/a', true)], revision)
  state.onChanges([put(instance('web', 'a'))], revision)
  state.onChanges([gone('instances/web/a', false)], revision)
  state.onChanges(
    ids.slice(1, 4).map((id) => gone(`instances/web/${id}`, true)),
    revision,
  )
  t.same(names(state, 'web').sort(), ids.slice(1))
  t.same(state.suspects()[0]?.instances.sort(), ['b', 'c', 'd'])
})

t.test('upstreams are held by the cause of the loss, however small they are', async (t) => {
  const agents = (...names: string[]) =>
    names.flatMap((agent) => ['x', 'y'].map((upstream) => instance(upstream, agent, { agent })))
  const lose = (...keys: string[]) => keys.map((key) => gone(key, undefined))
  const both = ['instances/x/one', 'instances/y/one']

  const one = make()
  one.state.onListing(listing(...agents('one', 'two')), false)
  one.state.onChanges(lose(...both), revision)
  t.same(one.state.suspects(), [], 'one host of two')
  one.state.onChanges(lose('instances/x/two', 'instances/y/two'), revision)
  t.same(names(one.state, 'x').sort(), ['one', 'two'], 'whole upstreams, and who went before')
  t.match(one.state.suspects()[0]?.reason, /2 upstreams lost all/)

  const away = make()
  away.state.onListing(listing(...agents('one', 'two', 'three')), false)
  away.state.setConnected(true)
  away.state.onChanges(lose('instances/x/three'), revision)
  t.same(names(away.state, 'x').sort(), ['one', 'two'])
  away.state.setConnected(false)
  away.state.setConnected(true)
  away.state.onChanges(lose(...both), revision)
  t.match(away.state.suspects()[0]?.reason, /out of reach/)
  t.same(names(away.state, 'y').sort(), ['one', 'three', 'two'])
  away.pass(61_000)
  away.state.onChanges(lose('instances/x/two'), revision)
  t.notOk(names(away.state, 'x').includes('two'), 'it is long back')

  const many = make()
  const six = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => instance(`u${id}`, id))
  const left = six.map((_, i) => instance(`u${'abcdef'.charAt(i)}`, 'z', { agent: 'stays' }))
  many.state.onListing(listing(...six, ...left), false)
  many.state.onChanges(lose(...six.map(({ key }) => key)), revision)
  t.match(many.state.suspects()[0]?.reason, /6 leases ended at once/)
  for (const { state } of [one, away, many]) {
    state.close()
  }
})

t.test('fields of another version are left out and reported', async (t) => {
  const { state, said } = make()
  const policy = { balance: 'random', hedge: { after: 1 }, retry: { tries: 2, jitter: true } }
  const upstream = { key: 'upstreams/web', value: JSON.stringify({ policy, mesh: 1 }), revision }
  const route = {
    key: 'routes/r',
    value: JSON.stringify({ hosts: ['a.test'], split: [{ upstream: 'web', weight: 1, odd: 1 }] }),
    revision: ++revision,
  }
  state.onListing(listing(instance('web', 'a', { fleet: 'x' }), upstream, route), false)
  const found = state.desired()
  t.match(found.upstreams.get('web')?.policy, { balance: 'random', retry: { tries: 2 } })
  t.equal(found.upstreams.get('web')?.instances.size, 1)
  t.match(found.routes.get('r')?.record, { split: [{ upstream: 'web', weight: 1 }] })
  const fields = state.partly().map(({ key, message }) => `${key}: ${message}`)
  t.same(fields.sort(), [
    'instances/web/a: fleet',
    'routes/r: split[0].odd',
    'upstreams/web: mesh, policy.hedge, policy.retry.jitter',
  ])
  t.same(state.refused(), [])
  t.equal(said.filter((line) => line === 'registry value has fields of another version').length, 3)
  state.onChanges([put(instance('web', 'a'))], revision)
  t.equal(state.partly().length, 2)
})

t.test('what is not understood keeps its last good meaning, across restarts too', async (t) => {
  const path = join(temporaryFolder(t), 'last-good.json')
  const first = make(60_000, undefined, path)
  const good = instance('web', 'a', { ttlMs: undefined })
  first.state.onListing(listing(good, instance('web', 'b')), false)
  const newer = instance('web', 'a', { needs: ['quic'], port: 9 })
  first.state.onChanges([put(newer)], revision)
  t.match(first.state.refused(), [{ revision: newer.revision }])
  t.match(first.state.refused(), [{ key: good.key, message: /needs .*quic/ }])
  first.state.close()

  const second = make(60_000, undefined, path)
  second.state.onListing(listing(newer, instance('web', 'b')), false)
  t.equal(second.state.desired().upstreams.get('web')?.instances.get('a')?.record.port, 177)
  t.match(second.state.refused(), [{ revision: newer.revision }])
  second.state.beginAudit()
  t.same(second.state.endAudit(listing(newer)), ['instances/web/b'])
  second.state.onChanges([put(instance('web', 'a', { needs: ['quic'], gone: true }))], revision)
  t.same(names(second.state, 'web'), [], 'a mark is understood whatever else there is')
  second.state.close()
  t.same(JSON.parse(readFileSync(path, 'utf8')), {})

  writeFileSync(path, 'no JSON')
  const third = make(60_000, undefined, path)
  third.state.onListing(listing(newer), false)
  t.same(names(third.state, 'web'), [])
  t.ok(third.said.includes('the last good values cannot be read'))
  third.state.close()
})

t.test('an audit finds what serves and should not, and mends it', async (t) => {
  const { state } = make()
  const [a, b, c] = ['a', 'b', 'c'].map((id) => instance('web', id, { ttlMs: undefined }))
  const bad = { key: 'routes/bad', value: '{', revision: ++revision }
  const leaving = instance('web', 'd', { gone: true })
  if (a === undefined || b === undefined || c === undefined) {
    throw new Error('three instances')
  }
  state.onListing(listing(a, b, bad), false)
  state.beginAudit()
  t.same(state.endAudit(listing(a, b, bad, leaving)), [])
  const moved = instance('web', 'b', { weight: 5 })
  state.beginAudit()
  const late = instance('web', 'late')
  state.onChanges([put(late)], revision)
  const differed = state.endAudit(listing(moved, c, bad))
  t.same(differed.sort(), ['instances/web/a', 'instances/web/b', 'instances/web/c'])
  t.same(names(state, 'web').sort(), ['b', 'c', 'late'])
  t.equal(state.desired().upstreams.get('web')?.instances.get('b')?.record.weight, 5)
  state.onChanges([{ type: 'delete', key: b.key, revision: b.revision, expired: false }], revision)
  t.ok(names(state, 'web').includes('b'), 'what comes late changes nothing')
})

t.test('the same listing again changes nothing', async (t) => {
  const { state, events } = make()
  const all = listing(...ids.map((id) => instance('web', id)))
  state.onListing(all, false)
  const before = state.desired()
  events.length = 0
  state.onListing(all, false)
  t.equal(state.desired(), before)
  t.same(events, [])
})

t.test('a thousand upstreams at one address are said in a few lines', async (t) => {
  const { state, said } = make()
  const same = { host: '10.0.0.9', port: 80 }
  const all = Array.from({ length: 1000 }, (_, i) => instance(`u${i}`, 'a', same))
  state.onListing(listing(...all), false)
  const lines = said.filter((line) => line.startsWith('one address')).length
  t.ok(lines > 3 && lines < 15, `${lines} lines`)
})

t.test('duplicates are allowed and said', async (t) => {
  const { state, said } = make()
  const same = { host: '10.0.0.9', port: 80 }
  state.onListing(listing(instance('web', 'a', same), instance('api', 'a', same)), false)
  t.ok(said.includes('one address is registered in several upstreams'))
  state.onChanges([put(instance('web', 'b', { agent: 'one' }))], revision)
  state.onChanges([put(instance('web', 'b', { agent: 'two', weight: 7 }))], revision)
  t.ok(said.includes('two agents register one instance; the last one wins'))
  t.equal(state.desired().upstreams.get('web')?.instances.get('b')?.record.weight, 7)
})

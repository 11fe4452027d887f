/** What gateways know of one another. */
import t from 'tap'
import { OtherGateways, parseGateway } from '../../../../controller/gateways/other-gateways.js'

const record = {
  applied: 3,
  connected: true,
  workers: 2,
  nginx: '1.30.6',
  njs: '1.0.2',
  active: {},
}
const conditions = { 'web/a': { state: 'down', reason: 'ejected' } }

t.test('a record of another gateway is read, and what is none is refused', async (t) => {
  t.same(parseGateway(JSON.stringify({ ...record, conditions })), { ...record, conditions })
  const full = { ...record, conditions, reason: 'full', code: 'table_full' }
  t.same(parseGateway(JSON.stringify(full)), full)
  t.same(parseGateway(JSON.stringify({ ...full, reason: 7, code: 'x' })), { ...record, conditions })
  t.same(parseGateway(JSON.stringify(record)), { ...record, conditions: {} }, 'as of before')
  const bad = [
    [],
    7,
    'x',
    { 'web/a': null },
    { 'web/a': { state: 'away', reason: '' } },
    { 'web/a': { state: 'up' } },
  ]
  bad.forEach((each) =>
    t.equal(parseGateway(JSON.stringify({ ...record, conditions: each })), undefined),
  )
  ;['', '7', 'null', '{}', '[]'].forEach((text) => t.equal(parseGateway(text), undefined))
})

t.test(
  'a gateway is known while its record stands, and away while it has no presence',
  async (t) => {
    const others = new OtherGateways('own')
    const value = JSON.stringify({ ...record, atMs: 5, sinceAtMs: 3 })
    const put = (key: string) => ({ type: 'put' as const, key, value, revision: 1 })
    const gone = (key: string) => ({
      ...{ type: 'delete' as const, key, revision: 2, expired: undefined },
    })
    others.onListing({ revision: 1, entries: [put('gateways/own'), put('presence/own')] })
    t.equal(others.size, 0)
    t.same(others.onChanges([put('gateways/g'), put('presence/g')]), ['g'])
    t.equal(others.all().get('g')?.awaySinceAtMs, undefined)
    t.same(others.onChanges([gone('presence/g')]), ['g'])
    const since = others.all().get('g')?.awaySinceAtMs ?? 0
    t.ok(since > 5, 'when it was seen to go')
    others.onChanges([put('gateways/g')])
    t.equal(others.all().get('g')?.awaySinceAtMs, since, 'a late write says nothing')
    others.onChanges([put('presence/g')])
    t.equal(others.all().get('g')?.awaySinceAtMs, undefined)
    others.onListing({ revision: 3, entries: [put('gateways/g')] })
    t.ok((others.all().get('g')?.awaySinceAtMs ?? 0) >= since, 'gone between two listings')
    t.same(others.onChanges([gone('gateways/g')]), ['g'])
    t.equal(others.size, 0)
  },
)

t.test('who was away before one looked is away since its last writing', async (t) => {
  const others = new OtherGateways('own')
  const value = JSON.stringify({ ...record, atMs: 5 })
  const old = JSON.stringify(record)
  others.onListing({
    revision: 1,
    entries: [
      { key: 'gateways/g', value, revision: 1 },
      { key: 'gateways/before', value: old, revision: 1 },
    ],
  })
  t.equal(others.all().get('g')?.awaySinceAtMs, 5)
  t.equal(others.all().get('before')?.awaySinceAtMs, undefined, 'its record is under its lease')
})

/** Sources of one agent: who has what they both want, and what stays of one that is away. */
import assert from 'node:assert'
import t from 'tap'
import { sourceRouteId } from '../../../../agent/sources/entry-owner.js'
import { fittingMetadata } from '../../../../agent/plan/fitting-metadata.js'
import type { SourceLevel } from '../../../../agent/sources/source.js'
import { uniteSources } from '../../../../agent/sources/union.js'
import { guardInstance } from '../../../../contract/record/instance-record.js'
import type { InstanceRecord } from '../../../../contract/record/instance-record.js'
import { DEFAULT_POLICY } from '../../../../contract/record/policy.js'

const AGENT = 'n1'
const HOST = 'app.test'
const NO_CONTAINERS = { entries: new Map(), settings: new Map() }

function level(source: string, upstream: string, more: Partial<SourceLevel> = {}): SourceLevel {
  const id = `${AGENT}:${source}:1`
  const record = { host: '10.0.0.1', port: 80, weight: 1, state: 'up' as const, agent: AGENT }
  const route = { hosts: [HOST], pathPrefix: '/', upstream }
  return {
    instances: [{ upstream, id, record, from: 'one' }],
    routes: [{ id: sourceRouteId(AGENT, source, HOST), record: route, from: 'one' }],
    ...{ settings: new Map(), refused: [], warnings: [], why: [], ...more },
  }
}

const part = (name: string, upstream: string, more: Partial<SourceLevel> = {}) => ({
  ...{ name, level: level(name, upstream, more), held: new Map<string, string>() },
})
const keyOf = (source: string) => `routes/${sourceRouteId(AGENT, source, HOST)}`

t.test('of two that want one host the holder keeps it; the other is refused by name', async (t) => {
  const files = part('files', 'a')
  const consul = part('consul', 'b')
  const first = uniteSources(NO_CONTAINERS, [files], new Map())
  t.same(first.contested, [])
  for (const parts of [
    [files, consul],
    [consul, files],
  ]) {
    const { entries, refused, contested } = uniteSources(NO_CONTAINERS, parts, first.entries)
    t.ok(entries.has(keyOf('files')))
    t.notOk(entries.has(keyOf('consul')))
    t.match(refused.get('consul'), [{ name: 'one', text: /app\.test\/ belongs to upstream a/ }])
    t.same(refused.get('files'), [])
    t.match(contested, [{ claim: 'app.test/', message: /by files one.*\(consul one\) wants it/ }])
  }
})

t.test('a container keeps its host from a source, and its instance', async (t) => {
  const key = 'routes/agent-12345678-0123456789abcdef0123'
  const route = JSON.stringify({ hosts: [HOST], pathPrefix: '/', upstream: 'c' })
  const instance = JSON.stringify({ host: '10.0.0.9', port: 80, state: 'up' })
  const instanceKey = `instances/c/${AGENT}:files:1`
  const entries = new Map([
    [key, route],
    ['instances/c/x', instance],
    [instanceKey, instance],
  ])
  const settings = new Map([['upstreams/c', JSON.stringify({ policy: DEFAULT_POLICY })]])
  const wish = new Map([['c', { policy: { ...DEFAULT_POLICY, slowStartMs: 5000 } }]])
  const files = part('files', 'c', { settings: wish })
  const union = uniteSources({ entries, settings }, [files, part('consul', 'd')], new Map())
  t.equal(union.entries.get(key), route)
  t.equal(union.entries.get(instanceKey), instance)
  t.match(union.refused.get('files'), [{ text: /instance n1:files:1 of upstream c is there/ }])
  t.match(union.warnings.get('files'), [{ text: /another source sets it otherwise/ }])
  t.equal(union.settings.get('upstreams/c'), settings.get('upstreams/c'))
  t.notOk(union.ofSources.has('upstreams/c'))
  t.match(union.refused.get('consul'), [{ text: /belongs to upstream c, by docker/ }])
})

t.test('an instance keeps 32 entries of metadata beside its source, which no entry says', (t) => {
  const pairs = Array.from({ length: 32 }, (_, i) => [`k${i}`, `v${i}`] as const)
  const { metadata, left } = fittingMetadata(pairs)
  t.same(left, [])
  const wish = { host: '10.0.0.1', port: 80, agent: AGENT, metadata }
  const guarded = guardInstance(wish, { allowLoopback: false })
  t.ok(guarded.ok)
  const one = (record: InstanceRecord, id: string) => ({ upstream: 'a', id, record, from: id })
  const full = guarded.ok ? guarded.value : assert.fail()
  const claiming = { ...full, metadata: { source: 'consul', containerId: 'c' } }
  const instances = [one(full, 'full'), one(claiming, 'claiming')]
  const union = uniteSources(NO_CONTAINERS, [part('files', 'a', { instances })], new Map())
  const value = JSON.parse(union.entries.get('instances/a/full') ?? '{}') as InstanceRecord
  t.same(value.metadata, { ...metadata, source: 'files' })
  t.ok(guardInstance(value, { allowLoopback: false }).ok, 'a controller takes it')
  const more = { ...value, metadata: { ...value.metadata, k32: '' } }
  t.match(guardInstance(more, { allowLoopback: false }), { ok: false, field: 'metadata' })
  t.same(JSON.parse(union.entries.get('instances/a/claiming') ?? '{}').metadata, {
    source: 'files',
  })
  t.match(union.warnings.get('files'), [
    { name: 'claiming', text: /metadata source of instance claiming is left out/ },
    { name: 'claiming', text: /metadata containerId of instance claiming is left out/ },
  ])
  t.end()
})

t.test('what is held stays with its routes, and says where it is from', async (t) => {
  const before = uniteSources(NO_CONTAINERS, [part('files', 'a')], new Map()).entries
  t.match(JSON.parse(before.get(`instances/a/${AGENT}:files:1`) ?? '{}'), {
    metadata: { source: 'files' },
  })
  const held = { name: 'files', level: undefined, held: before }
  const union = uniteSources(NO_CONTAINERS, [held], before)
  t.same(union.entries, before)
})

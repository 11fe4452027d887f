/** Parts of the registries that need no store. */
import fc from 'fast-check'
import t from 'tap'
import type { RegistryOperation } from '../../../registry/registry.js'
import { parseEtcdUrl } from '../../../registry/etcd/client.js'
import { MOST_ETCD_OPERATIONS, toTransaction } from '../../../registry/etcd/commit.js'
import { versionProblem } from '../../../registry/etcd/version.js'
import { readServerEvents } from '../../../registry/http/sse.js'
import type { ServerEvent } from '../../../registry/http/sse.js'
import { commonPrefix, isUnder } from '../../../registry/operations.js'
import { EmbeddedDraft, EmbeddedState } from '../../../registry/embedded/state.js'

t.test('the URL of an etcd names its endpoints', async (t) => {
  t.same(parseEtcdUrl('etcd://a'), ['http://a:2379'])
  t.same(parseEtcdUrl('etcds://a:1,b.example:2,10.0.0.1/'), [
    'https://a:1',
    'https://b.example:2',
    'https://10.0.0.1:2379',
  ])
  for (const url of ['etcd://', 'http://a', 'etcd://user@a', 'etcd://a/b']) {
    t.throws(() => parseEtcdUrl(url), { code: 'invalid', field: 'registry' }, url)
  }
})

t.test('what is wrong with a version of etcd', async (t) => {
  for (const old of ['3.3.9', '3.4.23', '3.5.1', '3.5.20', '3.6.0', '2.3.8']) {
    t.type(versionProblem(old), 'string', old)
  }
  for (const fine of ['3.4.44', '3.5.33', '3.6.14', '3.7.1', '3.8.0', '4.0.0', 'nonsense']) {
    t.equal(versionProblem(fine), null, fine)
  }
})

t.test('the common prefix holds all of its prefixes, and is the longest that does', async (t) => {
  const prefix = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 6 })
  fc.assert(
    fc.property(fc.array(prefix, { minLength: 1, maxLength: 4 }), (prefixes) => {
      const common = commonPrefix(prefixes)
      const longer = prefixes[0]?.slice(0, common.length + 1) ?? ''
      return (
        prefixes.every((one) => one.startsWith(common)) &&
        (longer === common || !prefixes.every((one) => one.startsWith(longer)))
      )
    }),
  )
  t.equal(commonPrefix([]), '')
  t.pass()
})

t.test('a transaction stays within what etcd takes on each level', async (t) => {
  for (const count of [0, 1, 64, 65, 1000, MOST_ETCD_OPERATIONS]) {
    const operations = Array.from({ length: count }, (_, i): RegistryOperation => {
      return { type: 'put', key: `k${i}`, value: '', ifRevision: i }
    })
    const { compare = [], success = [] } = toTransaction('/', operations)
    const leaves = success.flatMap(({ request_txn }) => (request_txn ? [request_txn] : []))
    const own = Math.max(compare.length, success.length)
    const most = Math.max(0, ...leaves.map(({ success = [] }) => success.length))
    t.ok(own + most <= 128, `${count} operations`)
    const sum = leaves.reduce((sum, { success = [] }) => sum + success.length, 0)
    t.equal(leaves.length === 0 ? success.length : sum, count)
  }
  const many = Array.from({ length: MOST_ETCD_OPERATIONS + 1 }, (_, i): RegistryOperation => {
    return { type: 'delete', key: `k${i}` }
  })
  t.throws(() => toTransaction('/', many), { code: 'too_large' })
})

t.test('server-sent events are the same, however they are cut', async (t) => {
  const text =
    ': alive\n\nevent: listing\nid: x.7\ndata: {"a":"ü€"}\n\n: alive\n\nevent: changes\ndata: {}\n\n'
  const bytes = Buffer.from(text)
  const read = async (chunks: Buffer[]): Promise<ServerEvent[]> => {
    const events: ServerEvent[] = []
    async function* body() {
      yield* chunks
    }
    for await (const event of readServerEvents(body())) {
      events.push(event)
    }
    return events
  }
  const expected = [
    { name: 'listing', id: 'x.7', data: '{"a":"ü€"}' },
    { name: 'changes', id: '', data: '{}' },
  ]
  const cuts = fc.array(fc.nat(bytes.length), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(cuts, async (at) => {
      const edges = [0, ...at.sort((a, b) => a - b), bytes.length]
      const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
      t.same(await read(chunks), expected)
    }),
    { numRuns: 50 },
  )
})

/** What the embedded registry should be, in its simplest form: a map and a scan. */
class Model {
  readonly entries = new Map<string, { value: string; revision: number; lease: string }>()

  list(prefixes: string[]) {
    return [...this.entries]
      .filter(([key]) => isUnder(key, prefixes))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { value, revision }]) => ({ key, value, revision }))
  }
}

t.test('the embedded state is what a plain map would be, in any order of steps', async (t) => {
  const key = fc.constantFrom('a', 'a/b', 'a/c', 'b', 'b/a', 'c')
  const lease = fc.constantFrom('', 'one', 'two')
  const step = fc.oneof(
    fc.record({ act: fc.constant('put' as const), key, lease }),
    fc.record({ act: fc.constant('delete' as const), key, lease }),
    fc.record({ act: fc.constant('end' as const), key, lease }),
    fc.record({ act: fc.constant('write' as const), key, lease }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const leases = new Map([
        ['one', 1],
        ['two', 1],
      ])
      const state = new EmbeddedState({ revision: 0, entries: new Map(), leases })
      const model = new Model()
      let draft = new EmbeddedDraft(state)
      for (const { act, key, lease } of steps) {
        if (act === 'write') {
          state.adopt(draft)
          draft = new EmbeddedDraft(state)
          for (const prefixes of [[''], ['a/'], ['b', 'a/'], ['a', 'a/b']]) {
            t.same(state.listing(prefixes).entries, model.list(prefixes))
          }
        } else if (act === 'end') {
          if (lease === '') {
            continue
          }
          draft.endLease(lease, true)
          for (const [key, stored] of model.entries) {
            if (stored.lease === lease) {
              model.entries.delete(key)
            }
          }
        } else if (act === 'delete') {
          draft.commit([{ type: 'delete', key }])
          model.entries.delete(key)
        } else {
          const held = lease !== '' && draft.hasLease(lease) ? lease : ''
          const revision = draft.commit([
            { type: 'put', key, value: key, ...(held !== '' && { lease: held }) },
          ])
          model.entries.set(key, { value: key, revision, lease: held })
        }
      }
      state.adopt(draft)
      t.same(state.listing(['']).entries, model.list(['']))
    }),
    { numRuns: 150 },
  )
})

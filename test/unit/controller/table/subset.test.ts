/** Subsets of an upstream by metadata. */
import t from 'tap'
import { guardPolicy } from '../../../../contract/record/policy.js'
import type { SplitArm } from '../../../../contract/record/route-split.js'
import { areOperations, upstreamOf } from '../../../../contract/table/table.js'
import { sidOf } from '../../../../controller/state/sid.js'
import { ANYWHERE } from '../../../../controller/table/compiled-upstream.js'
import { Compiler } from '../../../../controller/table/compiler.js'
import type { Desired } from '../../../../controller/state/desired.js'
import { collectBlocks } from '../../../../controller/fallback/upstream-blocks.js'
import { planHosts } from '../../../../controller/table/host-planner.js'
import { unitOf } from '../../../../controller/table/subset.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { readLines, readRules, sidsIn } from '../../../support/reader.js'

const V1 = { upstream: 'web', where: { version: '1' } }
const V2 = { upstream: 'web', where: { version: '2' } }
const BOTH: SplitArm[] = [
  { ...V1, weight: 9 },
  { ...V2, weight: 1 },
]
const NONE: ReadonlySet<string> = new Set()
const EMPTY = { certificates: new Map(), streamRoutes: new Map() }

interface One {
  version?: string
  drained?: true
}

function desiredOf(instances: Record<string, One>, split = BOTH, policy: object = {}): Desired {
  const checked = guardPolicy(policy)
  if (!checked.ok) {
    throw new Error(checked.message)
  }
  const made = Object.entries(instances).map(([id, { version, drained }], i) => {
    const metadata = version === undefined ? undefined : { version, other: 'x' }
    const record = { host: '10.0.0.1', port: i + 1, weight: 1, state: 'up' as const }
    const override = drained && { drain: true as const, atMs: 1 }
    const of = { id, override, suspect: undefined, revision: 1 }
    return { ...of, record: { ...record, ...(metadata && { metadata }) } }
  })
  const all = new Map(made.map((instance) => [instance.id, instance]))
  const web = { name: 'web', policy: checked.value, revision: 1, instances: all }
  const record = { hosts: ['app.test'], pathPrefix: '/', split }
  const routes = new Map([['canary', { id: 'canary', record, revision: 1 }]])
  return { ...EMPTY, revision: 1, upstreams: new Map([['web', web]]), routes }
}

const THREE = { a: { version: '1' }, b: { version: '2' }, c: {} }
const A = sidOf('10.0.0.1', 1)
const B = sidOf('10.0.0.1', 2)

function compiler(sessionKey = () => 'a key') {
  const it = new Compiler(['localhost'], silentLogger, { ...ANYWHERE, sessionKey })
  const entries = (unit: string) => it.units.get(unit)?.entries ?? new Map<string, string>()
  const ids = (unit: string) => readLines(entries(unit), unit).map(({ id }) => id)
  /** Of the split's slots, how many each SID has. */
  const slots = () => {
    const all = [...entries('~canary')].filter(([key]) => /\/\d+$/.test(key))
    return (sid: string) => all.filter(([, value]) => sidsIn(value).join() === sid).length
  }
  return { it, entries, ids, slots }
}

t.test('an arm has the instances that its metadata selects, and its weight', async (t) => {
  const { it, entries, ids, slots } = compiler()
  const changed = it.update(desiredOf(THREE), NONE)
  t.same([...changed].sort(), [
    ...[':web', unitOf(V1), unitOf(V2)].sort(),
    ...['@app.test', '@web.localhost', '~canary'],
  ])
  t.same([ids(':web').sort(), ids(unitOf(V1)), ids(unitOf(V2))], [['a', 'b', 'c'], ['a'], ['b']])
  t.same([slots()(A), slots()(B)], [45, 5])
  const names = entries('~canary').get('~canary')?.slice(9).split(' ')
  t.same(names, [unitOf(V1), unitOf(V2)].sort())
  t.same(names?.map(upstreamOf), ['web', 'web'])
  for (const { entries: all } of it.units.values()) {
    t.ok(areOperations([...all]))
  }
})

t.test('state, drain, the pool and the policy are those of the upstream', async (t) => {
  let key = 'a key'
  const { it, entries, ids, slots } = compiler(() => key)
  it.update(desiredOf(THREE), NONE)
  t.same([...it.update(desiredOf(THREE), new Set([B]))].sort(), [':web', unitOf(V2)])
  it.update(desiredOf({ ...THREE, b: { version: '2', drained: true } }), NONE)
  t.same([slots()(A), slots()(B)], [50, 0], 'an arm of nobody leaves its part to the others')
  t.match(readLines(entries(unitOf(V2)), unitOf(V2)), [{ id: 'b', up: false }])
  it.update(desiredOf({ ...THREE, c: { version: '2' } }), NONE)
  t.same(ids(unitOf(V2)).sort(), ['b', 'c'], 'who changes its metadata changes its arm')
  const policy = { balance: 'leastConn', sticky: { by: 'cookie' } }
  const sticky = desiredOf(THREE, BOTH, policy)
  it.update(sticky, NONE)
  const tokenOf = (unit: string) =>
    readLines(entries(unit), unit).find(({ id }) => id === 'b')?.token
  t.equal(tokenOf(unitOf(V2)), tokenOf(':web'), 'a session is the same in both')
  const before = tokenOf(':web')
  t.match(before, /^[0-9a-f]{16}$/)
  t.same([...it.update(sticky, NONE)], [])
  key = 'another'
  t.same([...it.update(sticky, NONE)].sort(), [':web', unitOf(V1), unitOf(V2)].sort())
  t.not(tokenOf(':web'), before)
  t.equal(tokenOf(unitOf(V2)), tokenOf(':web'))
  t.match(readRules(entries(unitOf(V2)), unitOf(V2)), { balance: 'c', count: 1 })
  for (const { entries: all } of it.units.values()) {
    t.ok(areOperations([...all]))
  }
})

t.test('what no arm selects any more goes; so does what its upstream leaves', async (t) => {
  const { it } = compiler()
  it.update(desiredOf(THREE), NONE)
  const changed = it.update(desiredOf(THREE, [{ upstream: 'web', weight: 1 }]), NONE)
  t.same([...changed].sort(), [...[unitOf(V1), unitOf(V2)].sort(), '@app.test', '~canary'])
  t.notOk(it.units.has(unitOf(V1)))
  const back = desiredOf(THREE)
  it.update(back, NONE)
  it.update({ ...back, upstreams: new Map() }, NONE)
  t.same([...it.units.keys()].sort(), ['@app.test', '~canary'])
})

t.test('the fallback has the same arms', async (t) => {
  const desired = desiredOf(THREE)
  const plan = planHosts(desired.routes.values(), desired.upstreams.keys(), ['localhost'])
  const servers = collectBlocks(desired, plan).get('~canary')
  t.match(servers, [
    { address: '10.0.0.1:1', weight: 9000 },
    { address: '10.0.0.1:2', weight: 1000 },
  ])
})

/** Upstreams that are known though no instance is there. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Logger } from '../../../../runtime/logger.js'
import { DEFAULT_POLICY } from '../../../../contract/record/policy.js'
import type { Desired } from '../../../../controller/state/desired.js'
import { KnownUpstreams } from '../../../../controller/state/known-upstreams.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'

const FOR_MS = 600_000

function make(path: string, forMs = FOR_MS, startMs = 1_000_000) {
  const said: string[] = []
  const note = (_: unknown, message: string) => void said.push(message)
  const log = { warn: note, error: note } as unknown as Logger
  let nowMs = startMs
  let changes = 0
  const known = new KnownUpstreams({
    ...{ path, forMs, log, now: () => nowMs },
    onChange: () => void changes++,
  })
  return { known, said, pass: (ms: number) => void (nowMs += ms), changes: () => changes }
}

/** Upstreams by how many instances they have, and routes to others. */
function desired(counts: Record<string, number>, routes: Record<string, object> = {}): Desired {
  return {
    revision: 1,
    upstreams: new Map(
      Object.entries(counts).map(([name, count]) => [
        name,
        {
          ...{ name, policy: DEFAULT_POLICY, revision: 1 },
          instances: new Map(Array.from({ length: count }, (_, i) => [`i${i}`, {} as never])),
        },
      ]),
    ),
    routes: new Map(
      Object.entries(routes).map(([id, record]) => [id, { id, record, revision: 1 } as never]),
    ),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
}

const names = (known: KnownUpstreams, said: Desired) => [...known.join(said).upstreams.keys()]

t.test('an upstream is known for a while after its last instance went', async (t) => {
  const path = join(temporaryFolder(t), 'known.json')
  const { known, pass } = make(path)
  const full = desired({ web: 2, empty: 0 })
  known.follow(full)
  t.equal(known.join(full), full, 'nothing to add')
  const none = desired({})
  known.follow(none)
  t.same(names(known, none), ['web'], 'one that never had an instance is not')
  t.equal(known.join(none), known.join(none))
  t.equal(known.join(none).upstreams.get('web')?.instances.size, 0)
  const before = known.join(none).upstreams.get('web')
  pass(FOR_MS - 1)
  const other = desired({ api: 1 })
  known.follow(other)
  t.same(names(known, other), ['api', 'web'])
  t.equal(known.join(other).upstreams.get('web'), before, 'the same object')
  pass(1)
  const later = desired({ api: 1 })
  known.follow(later)
  t.same(names(known, later), ['api'])
  known.close()
})

t.test('what routes name is known for as long as they do', async (t) => {
  const { known } = make(join(temporaryFolder(t), 'known.json'))
  const split = [
    { upstream: 'a', weight: 1 },
    { upstream: 'b', weight: 1 },
  ]
  const said = desired({ a: 1 }, { one: { upstream: 'web' }, two: { split }, three: {} })
  known.follow(said)
  t.same(names(known, said).sort(), ['a', 'b', 'web'])
  t.same(names(known, desired({ a: 1 })), ['a'])
  known.close()
})

t.test('it is known across restarts, from when it went', async (t) => {
  const path = join(temporaryFolder(t), 'known.json')
  const first = make(path)
  first.known.follow(desired({ gone: 1, there: 1 }))
  first.known.follow(desired({ there: 1 }))
  first.known.close()
  const second = make(path, FOR_MS, 1_000_000 + FOR_MS / 2)
  const none = desired({})
  second.known.follow(none)
  t.same(names(second.known, none), ['gone'], 'who was there may be there still')
  t.ok(second.known.trust())
  t.notOk(second.known.trust())
  t.same(names(second.known, none).sort(), ['gone', 'there'])
  second.pass(FOR_MS / 2)
  const later = desired({})
  second.known.follow(later)
  t.same(names(second.known, later), ['there'])
  second.known.close()
  t.same(Object.keys(JSON.parse(readFileSync(path, 'utf8')) as object), ['there'])
})

t.test('time has an effect by itself, and a damaged file is said', async (t) => {
  const path = join(temporaryFolder(t), 'known.json')
  writeFileSync(path, '{')
  const { known, said, changes, pass } = make(path, 20)
  t.same(said, ['the known upstreams cannot be read'])
  known.follow(desired({ web: 1 }))
  const none = desired({})
  known.follow(none)
  pass(20)
  await until(() => changes() === 1)
  t.same(names(known, none), [])
  known.close()
})

/** Health by the events of requests. */
import t from 'tap'
import type { Policy } from '../../../../contract/record/policy.js'
import type { InstanceState } from '../../../../contract/record/instance-record.js'
import { sidOf } from '../../../../controller/state/sid.js'
import type {
  Desired,
  DesiredInstance,
  DesiredUpstream,
} from '../../../../controller/state/desired.js'
import type { CheckTarget } from '../../../../controller/health/checks/check-target.js'
import type { Conclusion } from '../../../../controller/health/checks/verdict.js'
import { Health } from '../../../../controller/health/health.js'
import type { ConditionChange } from '../../../../controller/health/condition-change.js'
import type { Feed } from '../../../../controller/health/listener.js'
import { silentLogger } from '../../../../runtime/logger.js'

type Given = Record<string, number | { port: number; state?: InstanceState; drained?: boolean }>

function upstream(name: string, given: Given, policy: Partial<Policy> = {}): DesiredUpstream {
  const instances = Object.entries(given).map(([id, each]): [string, DesiredInstance] => {
    const {
      port,
      state = 'up',
      drained,
    } = typeof each === 'number' ? ({ port: each } as const) : { drained: false, ...each }
    const record = { host: '127.0.0.1', port, weight: 1, state }
    const override = drained === true ? ({ drain: true, atMs: 1 } as const) : undefined
    return [id, { id, record, override, suspect: undefined, revision: 1 }]
  })
  const whole = { balance: 'random', ...policy } as const
  return { name, policy: whole, revision: 1, instances: new Map(instances) }
}

const sid = (port: number): string => sidOf('127.0.0.1', port)
const failures = (port: number, times = 3): string[] => new Array(times).fill(`f${sid(port)}`)

interface SetUp {
  health: Health
  changes: ConditionChange[]
  /** Seconds since the start. */
  at: (s: number) => void
  follow: (...upstreams: DesiredUpstream[]) => void
  shown: (upstream: string) => Record<string, string>
  verdicts: Map<string, Conclusion>
  targets: () => string[]
  judged: (...keys: string[]) => void
}

const EMPTY: Desired = {
  ...{ revision: 1, upstreams: new Map(), routes: new Map(), streamRoutes: new Map() },
  certificates: new Map(),
}

const FEED: Feed = {
  events: () => Promise.reject(new Error('not asked here')),
  answers: () => Promise.reject(new Error('not asked here')),
  forget: () => Promise.reject(new Error('not asked here')),
}

function setUp(feed: Feed | null = FEED, unchecked?: Conclusion): SetUp {
  let nowMs = 1_700_000_000_000
  const changes: ConditionChange[] = []
  const verdicts = new Map<string, Conclusion>()
  let targets: CheckTarget[] = []
  let judged: (keys: string[]) => void = () => undefined
  const health = new Health({
    log: silentLogger,
    feed: feed ?? undefined,
    now: () => nowMs,
    onChange: (news) => changes.push(...news),
    makeChecks: (onChange) => {
      judged = onChange
      return {
        setTargets: (all) => {
          targets = [...all]
          for (const { key, before } of targets) {
            const first = before ?? unchecked
            if (!verdicts.has(key) && first !== undefined) {
              verdicts.set(key, first)
            }
          }
        },
        verdict: (key) => verdicts.get(key),
        close: () => undefined,
      }
    },
  })
  return {
    health,
    changes,
    verdicts,
    at: (s) => {
      nowMs = 1_700_000_000_000 + s * 1000
      health.tick()
    },
    follow: (...upstreams) => {
      const named = new Map(upstreams.map((each) => [each.name, each]))
      const desired: Desired = {
        revision: 1,
        upstreams: named,
        routes: new Map(),
        streamRoutes: new Map(),
        certificates: new Map(),
      }
      health.follow(desired)
    },
    shown: (name) =>
      Object.fromEntries(
        [...health.conditionsOf(name)].map(([id, { state, reason = '', trial, share }]) => {
          const word = reason.replace(/ until .*?Z:/, ':')
          return [
            id,
            `${state} ${word}${trial === undefined ? '' : ` #${trial}`}${share === undefined ? '' : ` x${share}`}`,
          ]
        }),
      ),
    targets: () => targets.map(({ key, before }) => (before ? `${key} ${before.state}` : key)),
    judged: (...keys) => judged(keys),
  }
}

t.test('failures eject, at every upstream that has the address', async (t) => {
  const { health, follow, shown, at, changes } = setUp()
  follow(
    upstream('web', { a: 1, b: 2, again: 1 }),
    upstream('api', { x: 1, y: 3 }),
    upstream(
      'calm',
      { x: 1, y: 3 },
      {
        eject: { maxFails: 0, failTimeoutMs: 1000, mostPercent: 100, panicPercent: 0 },
      },
    ),
  )
  t.same(shown('web'), {})
  health.hear(failures(1, 2))
  t.same(changes, [])
  health.hear([...failures(1, 1), 'f', 'x', `f${sid(99)}`])
  t.same(shown('web'), { a: 'down ejected: 3 failures', again: 'down ejected: 3 failures' })
  t.same(shown('api'), { x: 'down ejected: 3 failures' })
  t.same(shown('calm'), {})
  t.equal(health.ejected('web'), 2)
  t.equal(health.ejections, 2)
  t.same(
    changes.map(({ upstream, id }) => `${upstream}/${id}`),
    ['web/a', 'web/again', 'api/x'],
  )
  at(10)
  t.same(shown('api'), { x: 'down ejected, on trial: 3 failures #1' })
  health.hear([`p${sid(1)}`])
  t.same([shown('web'), shown('api')], [{}, {}])
  t.equal(health.ejected('web'), 0)
  t.equal(changes.at(-1)?.after, undefined)
})

t.test('the same object until something in it changes', async (t) => {
  const { health, follow, at } = setUp()
  follow(upstream('web', { a: 1, b: 2, c: 3, d: 4 }))
  const none = health.conditionsOf('web')
  t.equal(health.conditionsOf('nobody'), none)
  health.hear(failures(1))
  const first = health.conditionsOf('web')
  t.not(first, none)
  follow(upstream('web', { a: 1, b: 2, c: 3, d: 4 }, { slowStartMs: 0 }))
  at(5)
  health.hear(failures(1))
  t.equal(health.conditionsOf('web'), first)
  health.hear(failures(2))
  t.not(health.conditionsOf('web'), first)
  t.equal(health.conditionsOf('web').get('a'), first.get('a'))
  t.same(
    [...health.conditions()].map(([name]) => name),
    ['web'],
  )
})

t.test('who is gone or has moved is forgotten', async (t) => {
  const { health, follow, shown } = setUp()
  follow(upstream('web', { a: 1, b: 2, c: 3 }))
  health.hear([...failures(1), ...failures(2)])
  follow(upstream('web', { a: 10, c: 3 }))
  t.same(shown('web'), {})
  follow(upstream('web', { a: 1, b: 2, c: 3 }))
  t.same(shown('web'), {})
  health.hear(failures(1))
  follow()
  t.same(shown('web'), {})
  t.equal(health.ejections, 3)
  health.hear(failures(1))
})

t.test('what the registry or an operator says comes first', async (t) => {
  const { health, follow, shown } = setUp()
  follow(upstream('web', { a: 1, b: 2, c: 3 }))
  health.hear(failures(1))
  follow(upstream('web', { a: { port: 1, drained: true }, b: 2, c: 3 }))
  t.same(shown('web'), {})
  follow(upstream('web', { a: 1, b: 2, c: 3 }))
  t.same(shown('web'), { a: 'down ejected: 3 failures' })
})

t.test('new and recovered ones warm up, those of the first listing do not', async (t) => {
  const { health, follow, shown, at } = setUp()
  const slow = { slowStartMs: 9000 }
  follow(upstream('web', { a: 1, b: 2 }, slow))
  t.same(shown('web'), {})
  follow(upstream('web', { a: 1, b: 2, c: 3 }, slow), upstream('new', { a: 1, b: 2 }, slow))
  t.same(shown('web'), { c: 'up warming 10 % x0.1' })
  t.same(shown('new'), {}, 'where all are new there is nobody else')
  at(4)
  t.same(shown('web'), { c: 'up warming 50 % x0.5' })
  at(9)
  t.same(shown('web'), {})
  health.hear(failures(1))
  at(19)
  t.match(shown('web').a, /on trial/)
  health.hear([`p${sid(1)}`])
  t.same(shown('web'), { a: 'up warming 10 % x0.1' })
  at(28)
  t.same(shown('web'), {})
  follow(
    upstream('web', { a: { port: 1, state: 'down' }, b: { port: 2, drained: true }, c: 3 }, slow),
  )
  follow(upstream('web', { a: 1, b: 2, c: 3 }, slow))
  t.same(shown('web'), { a: 'up warming 10 % x0.1' }, 'what drained is warm')
  follow(upstream('web', { a: 1, b: 2, c: 3 }))
  t.same(shown('web'), {})
})

t.test('what served in spite of its ejection is warm', async (t) => {
  const { health, follow, shown, at } = setUp()
  follow(upstream('web', { a: 1, b: 2 }, { slowStartMs: 9000 }))
  health.hear(failures(1))
  health.hear(failures(2))
  t.match(shown('web'), { a: /^up ejection ignored/, b: /^up ejection ignored/ })
  at(10)
  t.same(shown('web'), {})
})

t.test('checks take out what fails them, and judge nothing that is not checked', async (t) => {
  const { health, follow, shown, verdicts, targets, judged } = setUp()
  const check = { check: { type: 'tcp' } } as unknown as Partial<Policy>
  const b = { port: 2, state: 'down' } as const
  follow(
    upstream('web', { a: 1, b, c: { port: 3, drained: true } }, check),
    upstream('api', { a: 1 }),
  )
  t.same(targets(), ['web/a up', 'web/c up'], 'at the start they serve until they fail')
  verdicts.set('web/a', { state: 'down', reason: 'refused' })
  verdicts.set('web/c', { state: 'down' })
  verdicts.set('api/a', { state: 'down' })
  judged('web/a', 'web/c', 'gone/x')
  t.same(shown('web'), { a: 'down refused' })
  t.same(shown('api'), {})
  verdicts.set('web/a', { state: 'up' })
  judged('web/a')
  t.same(shown('web'), {})
  follow(upstream('web', { a: 1, b, c: 3 }, check))
  t.same(shown('web'), { c: 'down its checks fail' })
  t.same(targets(), ['web/a', 'web/c'])
  follow(upstream('web', { a: 1, c: 3 }))
  t.same(targets(), [])
  t.same(shown('web'), {})
  await health.close()
})

t.test(
  'what is new may have to wait for its first check, but not what served at the start',
  async (t) => {
    const { follow, shown, verdicts, judged } = setUp(FEED, {
      state: 'down',
      reason: 'not checked',
    })
    const policy = { check: { type: 'tcp' }, slowStartMs: 9000 } as unknown as Partial<Policy>
    follow(upstream('web', { a: 1, b: 2 }, policy))
    t.same(shown('web'), {})
    follow(upstream('web', { a: 1, b: 2, c: 3 }, policy), upstream('new', { a: 1 }, policy))
    t.same(shown('web'), { c: 'down not checked' }, 'from the first moment on')
    t.same(shown('new'), { a: 'down not checked' })
    verdicts.set('web/c', { state: 'up' })
    judged('web/c')
    t.same(shown('web'), { c: 'up warming 10 % x0.1' })
  },
)

t.test('outliers are ejected by their share of errors', async (t) => {
  const { health, follow, shown } = setUp()
  const eject = {
    maxFails: 3,
    failTimeoutMs: 10_000,
    mostPercent: 100,
    panicPercent: 0,
    errorPercent: 50,
  }
  follow(upstream('web', { a: 1, b: 2 }, { eject }), upstream('api', { a: 1, b: 2 }))
  const measure = (errors: number) =>
    health.measure(
      new Map(
        [1, 2].map((port) => [
          sid(port),
          { answers: 10 + errors, errors: port === 1 ? errors : 0, millis: 0 },
        ]),
      ),
    )
  measure(0)
  measure(20)
  t.same(shown('web'), { a: 'down ejected: 20 of 20 answers were errors' })
  t.same(shown('api'), {})
})

t.test('without nginx there are checks and nothing else', async (t) => {
  const { follow, shown, health } = setUp(null)
  follow(upstream('web', { a: 1 }))
  follow(upstream('web', { a: 1, b: 2 }, { slowStartMs: 9000 }))
  t.same(shown('web'), {})
  health.start()
  await health.close()
})

t.test('a failed try of a peer that nginx may not have had is none', async (t) => {
  const doubted = new Set([sid(1)])
  const health = new Health({
    ...{ log: silentLogger, feed: FEED, onChange: () => undefined },
    isDoubtful: (each) => doubted.has(each),
  })
  const web = upstream('web', { a: 1, b: 2, c: 3 })
  health.follow({ ...EMPTY, upstreams: new Map([['web', web]]) })
  health.hear([...failures(1), ...failures(2)])
  t.same([...health.conditionsOf('web').keys()], ['b'])
  doubted.clear()
  health.hear([...failures(1)])
  t.ok(health.conditionsOf('web').has('a'))
})

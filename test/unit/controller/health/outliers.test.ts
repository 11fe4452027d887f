/** Outliers by errors and by latency. */
import t from 'tap'
import { DEFAULT_EJECT, findsOutliers } from '../../../../contract/record/policy.js'
import { Outliers } from '../../../../controller/health/outliers.js'
import type { AnswerCounts } from '../../../../controller/health/outliers.js'

const policy = { ...DEFAULT_EJECT, errorPercent: 50, latencyPercent: 300 }

type Counts = Record<string, [answers: number, errors: number, millis: number]>

function counted(counts: Counts): Map<string, AnswerCounts> {
  return new Map(
    Object.entries(counts).map(([sid, [answers, errors, millis]]) => [
      sid,
      { answers, errors, millis },
    ]),
  )
}

/** One window: what is counted in it by each, and who is an outlier then. */
const cases: Array<[what: string, counts: Counts, found: string[]]> = [
  ['nothing', { a: [0, 0, 0], b: [0, 0, 0] }, []],
  ['errors', { a: [20, 10, 200], b: [20, 0, 200] }, ['a']],
  ['fewer errors', { a: [20, 9, 200], b: [20, 0, 200] }, []],
  ['too few answers', { a: [19, 19, 9000], b: [20, 0, 200] }, []],
  ['slow', { a: [20, 0, 600], b: [20, 0, 200], c: [20, 0, 180] }, ['a']],
  ['less slow', { a: [20, 0, 590], b: [20, 0, 200], c: [20, 0, 200] }, []],
  ['slow, of two', { a: [20, 0, 600], b: [20, 0, 200] }, ['a']],
  ['slow, and nobody to compare with', { a: [20, 0, 60_000], b: [3, 0, 10] }, []],
  ['all slow', { a: [20, 0, 60_000], b: [20, 0, 60_000] }, []],
  ['others below a millisecond', { a: [20, 0, 40], b: [100, 0, 2], c: [100, 0, 0] }, []],
  [
    'the median, not the mean, of the others',
    {
      ...{ a: [20, 0, 800], b: [20, 0, 200], c: [20, 0, 200], d: [20, 0, 90_000] },
    },
    ['a', 'd'],
  ],
]

for (const [what, counts, found] of cases) {
  t.test(what, async (t) => {
    const outliers = new Outliers()
    const zero = Object.fromEntries(
      Object.keys(counts).map((sid): [string, [number, number, number]] => [sid, [1000, 1000, 9]]),
    )
    t.same([...outliers.look(policy, counted(zero), 0)], [], 'what was before says nothing')
    const sums = Object.fromEntries(
      Object.entries(counts).map(([sid, [answers, errors, millis]]) => [
        sid,
        [1000 + answers, 1000 + errors, 9 + millis] as [number, number, number],
      ]),
    )
    t.same([...outliers.look(policy, counted(sums), 1000).keys()], found)
    t.same([...outliers.look(policy, counted(sums), 2000).keys()], [], 'it is found once')
  })
}

t.test('what is older than the window does not count', async (t) => {
  const outliers = new Outliers()
  outliers.look(policy, counted({ a: [0, 0, 0] }), 0)
  outliers.look(policy, counted({ a: [15, 15, 0] }), 9000)
  t.same([...outliers.look(policy, counted({ a: [19, 19, 0] }), 10_000)], [])
  t.same([...outliers.look(policy, counted({ a: [38, 38, 0] }), 11_000)], [])
  t.same(
    [...outliers.look(policy, counted({ a: [39, 39, 0] }), 12_000)],
    [['a', '20 of 20 answers were errors']],
  )
})

t.test('counters that start again are an nginx that was started anew', async (t) => {
  const outliers = new Outliers()
  outliers.look(policy, counted({ a: [100, 0, 0], b: [9, 0, 0] }), 0)
  t.same([...outliers.look(policy, counted({ a: [50, 50, 0], b: [60, 51, 0] }), 1000)], [])
  t.same(
    [...outliers.look(policy, counted({ a: [70, 70, 0], b: [60, 51, 0] }), 2000).keys()],
    ['a'],
  )
})

t.test('who was away starts anew', async (t) => {
  const outliers = new Outliers()
  outliers.look(policy, counted({ a: [0, 0, 0], b: [0, 0, 0] }), 0)
  outliers.look(policy, counted({ b: [0, 0, 0] }), 1000)
  t.same([...outliers.look(policy, counted({ a: [90, 90, 0], b: [0, 0, 0] }), 2000)], [])
})

t.test('only what the policy asks for', async (t) => {
  t.notOk(findsOutliers(DEFAULT_EJECT))
  t.ok(findsOutliers({ ...DEFAULT_EJECT, errorPercent: 5 }))
  t.ok(findsOutliers({ ...DEFAULT_EJECT, latencyPercent: 500 }))
  const outliers = new Outliers()
  const slow = { ...DEFAULT_EJECT, latencyPercent: 300 }
  outliers.look(slow, counted({ a: [0, 0, 0], b: [0, 0, 0] }), 0)
  const found = outliers.look(slow, counted({ a: [20, 20, 20], b: [20, 0, 900] }), 1)
  t.same([...found], [['b', '45 ms on average, others 1 ms']])
})

/** Who is ejected, and when they come back. */
import t from 'tap'
import { DEFAULT_EJECT } from '../../../../contract/record/policy.js'
import type { EjectPolicy } from '../../../../contract/record/policy.js'
import { Ejector } from '../../../../controller/health/ejector.js'
import type { AddressState } from '../../../../controller/health/ejector.js'

const S = 1000

type Step =
  | ['fail', string, times?: number]
  | ['pass', string]
  | ['take', string]
  | ['outlier', string]
  | ['levels', Record<string, AddressState>]
  /** At this second. */
  | ['at', number]
  /** Who is shown how: `ejected`, `waiting`, `trial 1`, `ignored`. */
  | ['shows', Record<string, string>]

interface Case {
  what: string
  policy?: Partial<EjectPolicy>
  levels?: Record<string, AddressState>
  steps: Step[]
}

function words(reason: string, trial: number | undefined): string {
  const kinds: Array<[RegExp, string]> = [
    [/^ejected until .*Z: .+/, 'ejected'],
    [/^ejected, waiting for its trial: .+/, 'waiting'],
    [/^ejected, on trial: .+/, `trial ${trial}`],
    [/^ejection ignored: .+, but .+/, 'ignored'],
  ]
  return kinds.find(([pattern]) => pattern.test(reason))?.[1] ?? reason
}

const serving = (...sids: string[]): Record<string, AddressState> =>
  Object.fromEntries(sids.map((sid) => [sid, 'serves']))

const cases: Case[] = [
  {
    what: 'the third failure within the time ejects, one trial that passes brings it back',
    steps: [
      ['fail', 'a', 2],
      ['shows', {}],
      ['at', 9],
      ['fail', 'a'],
      ['shows', { a: 'ejected' }],
      ['fail', 'a', 5],
      ['at', 18.9],
      ['shows', { a: 'ejected' }],
      ['at', 19],
      ['shows', { a: 'trial 1' }],
      ['pass', 'a'],
      ['shows', {}],
      ['fail', 'a', 2],
      ['shows', {}],
    ],
  },
  {
    what: 'failures that are further apart do not',
    steps: [
      ['fail', 'a', 2],
      ['at', 10],
      ['fail', 'a', 2],
      ['shows', {}],
      ['at', 20],
      ['fail', 'a', 1],
      ['shows', {}],
    ],
  },
  {
    what: 'a trial that fails ejects at once',
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1' }],
      ['fail', 'a'],
      ['shows', { a: 'ejected' }],
      ['at', 19],
      ['shows', { a: 'ejected' }],
      ['at', 20],
      ['shows', { a: 'trial 2' }],
      ['pass', 'a'],
      ['shows', {}],
    ],
  },
  {
    what: 'a trial whose end nobody hears is given again, by another number',
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1' }],
      ['take', 'a'],
      ['at', 19.9],
      ['shows', { a: 'trial 1' }],
      ['at', 20],
      ['shows', { a: 'trial 2' }],
      ['take', 'a'],
      ['at', 3600],
      ['shows', { a: 'trial 3' }],
    ],
  },
  {
    what: 'where no request may take the trial, it serves again, and the first failure ejects it',
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1' }],
      ['at', 20],
      ['shows', {}],
      ['fail', 'a'],
      ['shows', { a: 'ejected' }],
      ['at', 30],
      ['shows', { a: 'trial 2' }],
      ['at', 40],
      ['shows', {}],
      ['at', 50],
      ['fail', 'a', 2],
      ['shows', {}],
    ],
  },
  {
    what: 'trials go by turns, and the numbers go round',
    levels: serving('a', 'b', 'c', 'd'),
    steps: [
      ['fail', 'a', 3],
      ['fail', 'b', 3],
      ['shows', { a: 'ejected', b: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1', b: 'waiting' }],
      ['fail', 'b', 3],
      ['shows', { a: 'trial 1', b: 'waiting' }],
      ['take', 'a'],
      ['at', 20],
      ['shows', { a: 'waiting', b: 'trial 2' }],
      ['take', 'b'],
      ['at', 30],
      ['shows', { a: 'trial 3', b: 'waiting' }],
      ['take', 'a'],
      ...[40, 50, 60, 70, 80, 90].flatMap((at): Step[] => [
        ['at', at],
        [
          'shows',
          at % 20 === 0
            ? { a: 'waiting', b: `trial ${at / 10}` }
            : { a: `trial ${at / 10}`, b: 'waiting' },
        ],
        ['take', at % 20 === 0 ? 'b' : 'a'],
      ]),
      ['at', 100],
      ['shows', { a: 'waiting', b: 'trial 1' }],
      ['pass', 'b'],
      ['shows', { a: 'trial 2' }],
    ],
  },
  {
    what: 'maxFails 0 never ejects',
    policy: { maxFails: 0 },
    steps: [
      ['fail', 'a', 50],
      ['shows', {}],
      ['outlier', 'a'],
      ['shows', { a: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1' }],
      ['fail', 'a'],
      ['shows', { a: 'ejected' }],
    ],
  },
  {
    what: 'maxFails 1 ejects at the first',
    policy: { maxFails: 1, failTimeoutMs: 100 },
    steps: [
      ['fail', 'a'],
      ['shows', { a: 'ejected' }],
      ['at', 0.1],
      ['shows', { a: 'trial 1' }],
    ],
  },
  {
    what: 'mostPercent is rounded down, and the first come first',
    policy: { mostPercent: 50 },
    levels: serving('a', 'b', 'c'),
    steps: [
      ['fail', 'b', 3],
      ['at', 1],
      ['fail', 'a', 3],
      ['shows', { a: 'ignored', b: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'ignored', b: 'trial 1' }],
      ['pass', 'b'],
      ['shows', { a: 'ejected' }],
      ['at', 11],
      ['shows', { a: 'trial 2' }],
    ],
  },
  {
    what: 'what is ignored to its end needs no trial, and counts anew',
    policy: { mostPercent: 30 },
    levels: serving('a', 'b', 'c'),
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ignored' }],
      ['at', 5],
      ['fail', 'a', 3],
      ['at', 14],
      ['shows', { a: 'ignored' }],
      ['at', 15],
      ['shows', {}],
    ],
  },
  {
    what: 'only one is there: it serves',
    levels: serving('a'),
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ignored' }],
      ['at', 10],
      ['shows', {}],
    ],
  },
  {
    what: 'when none would serve, all do',
    levels: serving('a', 'b'),
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1' }],
      ['fail', 'b', 3],
      ['shows', { a: 'ignored', b: 'ignored' }],
      ['at', 20],
      ['shows', {}],
    ],
  },
  {
    what: 'panicPercent',
    policy: { panicPercent: 50 },
    levels: serving('a', 'b', 'c', 'd'),
    steps: [
      ['fail', 'a', 3],
      ['shows', { a: 'ejected' }],
      ['fail', 'b', 3],
      ['shows', { a: 'ignored', b: 'ignored' }],
      ['levels', serving('a', 'b', 'c', 'd', 'e')],
      ['shows', { a: 'ejected', b: 'ejected' }],
    ],
  },
  {
    what: 'what is down for another reason does not serve either, and is not tried',
    levels: { a: 'serves', b: 'unwell', c: 'serves' },
    steps: [
      ['fail', 'a', 3],
      ['fail', 'b', 3],
      ['shows', { a: 'ejected', b: 'ejected' }],
      ['at', 10],
      ['shows', { a: 'trial 1', b: 'waiting' }],
      ['levels', { a: 'unwell', b: 'serves', c: 'serves' }],
      ['shows', { a: 'waiting', b: 'trial 2' }],
      ['levels', { a: 'unwell', b: 'serves', c: 'off' }],
      ['shows', { a: 'ignored', b: 'ignored' }],
    ],
  },
  {
    what: 'who is gone, or never was, is forgotten',
    steps: [
      ['fail', 'a', 3],
      ['fail', 'x', 3],
      ['shows', { a: 'ejected' }],
      ['levels', serving('b', 'c')],
      ['shows', {}],
      ['levels', serving('a', 'b', 'c')],
      ['shows', {}],
      ['pass', 'a'],
      ['pass', 'x'],
      ['shows', {}],
    ],
  },
  {
    what: 'who drains is neither judged nor counted',
    levels: { a: 'off', b: 'serves', c: 'serves' },
    steps: [
      ['fail', 'a', 3],
      ['shows', {}],
      ['fail', 'b', 3],
      ['shows', { b: 'ejected' }],
      ['levels', { a: 'off', b: 'off', c: 'serves' }],
      ['shows', {}],
      ['levels', { a: 'off', b: 'serves', c: 'serves' }],
      ['shows', { b: 'ejected' }],
    ],
  },
]

for (const { what, policy, levels = serving('a', 'b', 'c'), steps } of cases) {
  t.test(what, async (t) => {
    const whole = { ...DEFAULT_EJECT, ...policy }
    const ejector = new Ejector(whole)
    ejector.follow(whole, new Map(Object.entries(levels)))
    let nowMs = 1_700_000_000_000
    const startMs = nowMs
    for (const step of steps) {
      if (step[0] === 'fail') {
        for (let i = 0; i < (step[2] ?? 1); i++) {
          ejector.failed(step[1], nowMs)
        }
      } else if (step[0] === 'pass') {
        ejector.passed(step[1])
      } else if (step[0] === 'take') {
        ejector.taken(step[1])
      } else if (step[0] === 'outlier') {
        ejector.outlier(step[1], 'slow', nowMs)
      } else if (step[0] === 'levels') {
        ejector.follow(whole, new Map(Object.entries(step[1])))
      } else if (step[0] === 'at') {
        nowMs = startMs + step[1] * S
      } else {
        const shown = [...ejector.look(nowMs)].map(([sid, ejection]) => {
          t.equal(ejection.ignored, ejection.reason.startsWith('ejection ignored'))
          return [sid, words(ejection.reason, ejection.trial)]
        })
        t.same(Object.fromEntries(shown), step[1], `at ${(nowMs - startMs) / S}`)
        const next = ejector.nextAtMs()
        t.ok(next === undefined || next > nowMs, 'what is to come is still to come')
      }
    }
  })
}

t.test('reasons say until when, or why not', async (t) => {
  const ejector = new Ejector({ ...DEFAULT_EJECT, mostPercent: 50 })
  ejector.follow({ ...DEFAULT_EJECT, mostPercent: 50 }, new Map(Object.entries(serving('a', 'b'))))
  for (const sid of ['a', 'b']) {
    for (let i = 0; i < 3; i++) {
      ejector.failed(sid, 0)
    }
  }
  t.same(Object.fromEntries(ejector.look(0)), {
    a: { ignored: false, reason: 'ejected until 1970-01-01T00:00:10.000Z: 3 failures' },
    b: { ignored: true, reason: 'ejection ignored: 3 failures, but at most 50 % are ejected' },
  })
  t.equal(ejector.ejections, 1)
  ejector.look(10 * S)
  ejector.failed('a', 11 * S)
  t.match(ejector.look(11 * S).get('a')?.reason, /Z: a trial failed$/)
  t.equal(ejector.ejections, 2)
})

t.test('the ejector says when it has to look again', async (t) => {
  const ejector = new Ejector(DEFAULT_EJECT)
  ejector.follow(DEFAULT_EJECT, new Map(Object.entries(serving('a', 'b'))))
  t.equal(ejector.nextAtMs(), undefined)
  ejector.failed('a', 1 * S)
  t.equal(ejector.nextAtMs(), 11 * S)
  ejector.failed('a', 2 * S)
  ejector.failed('a', 2 * S)
  ejector.look(2 * S)
  t.equal(ejector.nextAtMs(), 12 * S)
  ejector.look(12 * S)
  t.equal(ejector.nextAtMs(), 22 * S, 'the end of the trial')
  ejector.passed('a')
  t.ok(ejector.isEmpty)
  t.equal(ejector.nextAtMs(), undefined)
})

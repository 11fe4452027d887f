/** What policies count of each peer. */
import t from 'tap'
import { readAnswerCounts, sweepDead } from '../../../../njs/memory/load.js'
import { memoryNumberDict } from '../../../support/memory-dict.js'

const sid = (n: number): string => n.toString(16).padStart(32, '0')

t.test('answers are counted for each peer', async (t) => {
  const load = memoryNumberDict()
  load.incr(`n${sid(1)}`, 5)
  load.incr(`e${sid(1)}`, 2)
  load.incr(`m${sid(1)}`, 70)
  const wanted = { answers: [0, 5], errors: [0, 2], millis: [0, 70] }
  t.same(readAnswerCounts(load, [sid(2), sid(1)]), wanted)
})

t.test('what dead workers left is taken from the totals', async (t) => {
  const load = memoryNumberDict()
  load.incr(`c${sid(1)}`, 7)
  load.incr(`c${sid(1)}/10`, 3)
  load.incr(`c${sid(1)}/11`, 4)
  load.incr(`c${sid(2)}`, 2)
  load.incr(`c${sid(2)}/12`, 2)
  load.incr(`n${sid(1)}`, 9)
  load.incr('b:web/12', 1)
  t.equal(sweepDead(load, [10]), 2)
  t.equal(load.get(`c${sid(1)}`), 3)
  t.equal(load.get(`c${sid(2)}`), 0)
  t.same(load.keys(-1).sort(), [
    'b:web/12',
    ...[`c${sid(1)}`, `c${sid(1)}/10`, `c${sid(2)}`, `n${sid(1)}`],
  ])
  t.equal(sweepDead(load, [10]), 0)
})

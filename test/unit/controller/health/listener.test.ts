/** The reader of a gateway's ring of events. */
import t from 'tap'
import { Listener } from '../../../../controller/health/listener.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { until } from '../../../../lab/until.js'

t.test('asks from where it was, and forgets what was before it', async (t) => {
  const asked: number[] = []
  const replies = [
    { master: 1, next: 7, events: ['fold'] },
    { master: 1, next: 9, events: ['f1', 'p2'] },
    { master: 1, next: 9, events: [] },
    { master: 2, next: 12, events: ['f5', 'f6'] },
    { master: 2, next: 12, events: ['f3', 'f4', 'f5', 'f6'] },
  ]
  const heard: string[][] = []
  const listener = new Listener({
    log: silentLogger,
    feed: {
      events: async (from) => {
        asked.push(from)
        return replies.shift() ?? { master: 2, next: 12, events: [] }
      },
      answers: () => Promise.reject(new Error('not asked for')),
      forget: () => Promise.reject(new Error('not asked for')),
    },
    hears: () => true,
    measured: () => [],
    gone: () => [],
    onForgotten: () => t.fail('nobody is gone'),
    onEvents: (events) => heard.push(events),
    onAnswers: () => t.fail('no answers'),
    onTick: () => undefined,
  })
  for (let i = 0; i < 5; i++) {
    await listener.poll()
  }
  t.same(asked, [0, 7, 9, 9, 0, 12])
  t.same(heard, [
    ['f1', 'p2'],
    ['f3', 'f4', 'f5', 'f6'],
  ])
})

t.test('answers of many peers are asked for in parts', async (t) => {
  const parts: number[] = []
  let counted = new Map()
  const listener = new Listener({
    log: silentLogger,
    feed: {
      events: async () => ({ master: 1, next: 0, events: [] }),
      answers: async (sids) => {
        parts.push(sids.length)
        return { answers: sids.map(Number), errors: sids.map(() => 1), millis: sids.map(() => 2) }
      },
      forget: () => Promise.reject(new Error('not asked for')),
    },
    hears: () => true,
    measured: () => Array.from({ length: 1001 }, (_, i) => String(i)),
    gone: () => [],
    onForgotten: () => t.fail('nobody is gone'),
    onEvents: () => undefined,
    onAnswers: (counters) => (counted = counters),
    onTick: () => undefined,
  })
  await listener.poll()
  await listener.poll()
  t.same(parts, [1000, 1], 'and not with every round')
  t.same(counted.get('1000'), { answers: 1000, errors: 1, millis: 2 })
})

t.test('whoever is long gone is forgotten, and again when that failed', async (t) => {
  const asked: string[][] = []
  let gone = ['a', 'b']
  const listener = new Listener({
    log: silentLogger,
    feed: {
      events: async () => ({ master: 1, next: 0, events: [] }),
      answers: () => Promise.reject(new Error('not asked for')),
      forget: (sids) => {
        asked.push(sids)
        return asked.length === 1 ? Promise.reject(new Error('away')) : Promise.resolve()
      },
    },
    hears: () => true,
    measured: () => [],
    gone: () => gone,
    onForgotten: (sids) => (gone = gone.filter((sid) => !sids.includes(sid))),
    onEvents: () => undefined,
    onAnswers: () => undefined,
    onTick: () => undefined,
  })
  await t.rejects(listener.poll(), /away/)
  await listener.poll()
  await listener.poll()
  t.same(asked, [
    ['a', 'b'],
    ['a', 'b'],
  ])
})

t.test('goes on when nginx is away, and time passes all the same', async () => {
  let rounds = 0
  let ticks = 0
  const listener = new Listener({
    log: silentLogger,
    feed: {
      events: () =>
        ++rounds === 1
          ? Promise.reject(new Error('away'))
          : Promise.resolve({ master: 1, next: 0, events: [] }),
      answers: () => Promise.reject(new Error('not asked for')),
      forget: () => Promise.reject(new Error('not asked for')),
    },
    hears: () => true,
    measured: () => [],
    gone: () => [],
    onForgotten: () => t.fail('nobody is gone'),
    onEvents: () => undefined,
    onAnswers: () => undefined,
    onTick: () => ticks++,
  })
  listener.start()
  await until(() => rounds >= 2 && ticks >= 2)
  await listener.close()
})

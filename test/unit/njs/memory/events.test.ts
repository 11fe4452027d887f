/** The ring of events. */
import t from 'tap'
import { EVENTS, EVENT_COUNT } from '../../../../contract/table/zones.js'
import { appendEvent, parseFrom, readEvents } from '../../../../njs/memory/events.js'
import { memoryDict, memoryNumberDict } from '../../../support/memory-dict.js'

const sid = (n: number): string => n.toString(16).padStart(32, '0')

t.test('events are read from where the reader was', async (t) => {
  const counter = memoryNumberDict()
  const ring = memoryDict()
  t.same(readEvents(counter, ring, 0, 7), { master: 7, next: 0, events: [] })
  ;[1, 2, 3].forEach((n) => appendEvent(ring, counter, `f${sid(n)}`))
  appendEvent(ring, counter, `p${sid(1)}`)
  const all = [`f${sid(1)}`, `f${sid(2)}`, `f${sid(3)}`, `p${sid(1)}`]
  t.same(readEvents(counter, ring, 0, 7), { master: 7, next: 4, events: all })
  t.same(readEvents(counter, ring, 3, 7), { master: 7, next: 4, events: all.slice(3) })
  t.same(readEvents(counter, ring, 4, 7), { master: 7, next: 4, events: [] })
  t.same(
    readEvents(counter, ring, 5, 7),
    { master: 7, next: 4, events: all },
    'nginx was started anew',
  )
})

t.test('of more than the ring holds the newest are there', async (t) => {
  const counter = memoryNumberDict()
  const ring = memoryDict()
  for (let n = 0; n < EVENTS + 10; n++) {
    appendEvent(ring, counter, `f${sid(n)}`)
  }
  const { next, events } = readEvents(counter, ring, 0, 7)
  t.equal(next, EVENTS + 10)
  t.equal(events.length, EVENTS)
  t.equal(events[0], `f${sid(10)}`)
  t.equal(events.at(-1), `f${sid(EVENTS + 9)}`)
  t.equal(ring.entries().length, EVENTS)
})

t.test('what is not written yet is not read as what was there before', async (t) => {
  const counter = memoryNumberDict()
  const ring = memoryDict()
  for (let n = 0; n < EVENTS; n++) {
    appendEvent(ring, counter, `f${sid(n)}`)
  }
  counter.incr(EVENT_COUNT, 1)
  appendEvent(ring, counter, `p${sid(7)}`)
  t.same(readEvents(counter, ring, EVENTS, 7), {
    master: 7,
    next: EVENTS + 2,
    events: [`p${sid(7)}`],
  })
})

t.test('a full ring says so', async (t) => {
  t.throws(() => appendEvent(memoryDict(10), memoryNumberDict(), `f${sid(1)}`))
})

t.test('only a whole number says where to read events from', async (t) => {
  t.equal(parseFrom('0'), 0)
  t.equal(parseFrom('123456789012345'), 123456789012345)
  ;[undefined, '', '-1', '1.5', 'x', '1234567890123456', ['1', '2']].forEach((text) =>
    t.equal(parseFrom(text), null),
  )
})

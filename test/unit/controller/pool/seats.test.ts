// Who sits in nginx's seats: nobody is led to one before it is proven, nor soon after to another.
import t from 'tap'
import { QUARANTINE_MS, STRANGE_MS, Seats } from '../../../../controller/pool/seats.js'
import type { Sitter } from '../../../../controller/pool/seats.js'
import { sidOf } from '../../../../controller/state/sid.js'

function sitter(host: string, unit = ':db'): Sitter {
  return { unit, sid: sidOf(host, 80), host, port: 80 }
}

const [a, b, c] = [sitter('10.0.0.1'), sitter('10.0.0.2'), sitter('10.0.0.3')]

/** Seats of an nginx that asks here, as the table is; what nginx has in them is in `there`. */
function setUp(count: number) {
  const it = { nowMs: 1000, there: new Map<string, string>() }
  const seats = new Seats(() => it.nowMs)
  seats.own(true)
  seats.resize(count)
  seats.level()
  const ask = (seat: number): string => {
    const [service] = seats.answer(`_seat._tcp.s${seat}.pool.sluice`, 'SRV')?.records ?? []
    const target = service !== undefined && 'target' in service ? service.target : ''
    const [record] = seats.answer(target, 'A')?.records ?? []
    return record !== undefined && 'address' in record ? record.address : ''
  }
  const prove = () => seats.prove((seat) => Promise.resolve(it.there.get(seat)))
  /** nginx resolves, and answers what it has. */
  const settle = async (seat: number, name: string): Promise<boolean> => {
    it.there.set(name, `${ask(seat)}:80`)
    it.nowMs += 1000
    return prove()
  }
  return { it, seats, ask, prove, settle }
}

t.test('the table leads to a seat once nginx says who is in it', async (t) => {
  const { it, seats, ask, prove, settle } = setUp(2)
  t.equal(ask(0), '127.0.0.1', 'a free seat has a place where nobody listens')
  seats.want([a, b])
  t.equal(seats.seatOf(a.unit, a.sid), undefined)
  t.same(
    [...seats.sitting()].map(({ number, sitter: { sid } }) => [number, sid]),
    [
      [0, a.sid],
      [1, b.sid],
    ],
    'who refuses can be told from the first moment',
  )
  t.equal(await prove(), false, 'nginx has not asked')
  it.there.set('a0.seat', '10.0.0.9:80')
  t.equal(ask(0), a.host)
  it.nowMs += 1000
  t.equal(await prove(), false, 'somebody else is in it')
  it.nowMs += 60_000
  t.equal(await settle(0, 'a0.seat'), true)
  t.equal(seats.seatOf(a.unit, a.sid), 0)
  t.equal(seats.seatOf(b.unit, b.sid), undefined)
  t.equal(seats.seatOf(':other', a.sid), undefined, 'each upstream has its own')
  t.same(seats.takeMoved(), [':db'])
})

t.test('a seat that was used is not given to another one soon', async (t) => {
  const { it, seats, ask, settle } = setUp(1)
  seats.want([a])
  await settle(0, 'a0.seat')
  t.equal(seats.seatOf(a.unit, a.sid), 0)
  seats.want([b])
  t.equal(seats.seatOf(a.unit, a.sid), undefined)
  it.nowMs += 10 * QUARANTINE_MS
  seats.want([b])
  t.equal(ask(0), a.host, 'the table may still lead there: nobody has said that it does not')
  seats.level()
  it.nowMs += QUARANTINE_MS - 1
  seats.want([b])
  t.equal(ask(0), a.host)
  it.nowMs += 1
  seats.want([b])
  t.equal(ask(0), b.host)
  t.equal(seats.seatOf(b.unit, b.sid), undefined, 'nginx may still have the other one')
  t.equal(await settle(0, 'a0.seat'), true)
  t.equal(seats.seatOf(b.unit, b.sid), 0)
})

t.test('who comes back meanwhile sits where he sat', async (t) => {
  const { seats, settle } = setUp(1)
  seats.want([a])
  await settle(0, 'a0.seat')
  seats.seatOf(a.unit, a.sid)
  seats.want([])
  seats.level()
  seats.want([a, c])
  t.equal(seats.seatOf(a.unit, a.sid), 0)
  t.equal([...seats.sitting()].length, 1, 'there is no other seat')
})

t.test('nothing is known of seats after nginx, its questions or the table got away', async (t) => {
  const { it, seats, settle } = setUp(1)
  seats.want([a])
  const isSeated = () => seats.seatOf(a.unit, a.sid) === 0
  for (const lose of [() => seats.nginxStarted(false), () => seats.own(false)]) {
    seats.own(true)
    await settle(0, 'a0.seat')
    t.ok(isSeated())
    lose()
    t.notOk(isSeated())
  }
  seats.own(true)
  await settle(0, 'a0.seat')
  seats.resize(0)
  t.notOk(isSeated(), 'an nginx without seats')
  t.same(seats.answer('_seat._tcp.s0.pool.sluice', 'SRV'), { records: undefined })
  t.equal(seats.answer('_http._tcp.p0.pool.sluice', 'SRV'), undefined, 'about no seat')
  t.same(seats.takeMoved(), [':db'])
  it.nowMs += 1
})

t.test('in an nginx that ran before nobody sits down at once', (t) => {
  const { it, seats } = setUp(1)
  seats.nginxStarted(true)
  seats.want([a])
  t.same([...seats.sitting()], [])
  it.nowMs += STRANGE_MS
  seats.trust(false)
  seats.level()
  seats.want([a])
  t.same([...seats.sitting()], [], 'nor while the table has what nobody knows')
  t.same(seats.answer('_seat._tcp.s0.pool.sluice', 'SRV'), { records: undefined })
  seats.trust(true)
  seats.level()
  seats.want([a])
  t.equal([...seats.sitting()].length, 1)
  t.end()
})

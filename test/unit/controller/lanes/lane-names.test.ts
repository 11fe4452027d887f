/** What proves that nginx has taken who is in a lane, by a clock of the test's own. */
import packet from 'dns-packet'
import t from 'tap'
import { LANE_DOMAIN, LaneNames, fitsDns } from '../../../../controller/lanes/lane-names.js'
import type { LanePeer } from '../../../../controller/lanes/lane-names.js'
import { withRecords } from '../../../../controller/pool/dns-answer.js'
import type { PoolRecord } from '../../../../controller/pool/dns-answer.js'

const ID = '0123456789ab'
const SERVICE = `_http._tcp.${ID}.${LANE_DOMAIN}`
const WORKER = 5001
const NEW_WORKER = 5002

function peer(n: number, more: Partial<LanePeer> = {}): LanePeer {
  return { sid: `s${n}`, host: `10.0.${n >> 8}.${n & 255}`, port: 80, weight: 1, ...more }
}

function scene(...peers: LanePeer[]) {
  const clock = { ms: 10_000 }
  const newcomers: string[] = []
  const names = new LaneNames({
    onAsker: (id) => newcomers.push(id),
    onTaken: () => undefined,
    now: () => clock.ms,
  })
  names.retain(new Map([[ID, true]]))
  names.set(ID, peers, 0)
  /** What workers asked last, by their port, and whether they are still without an answer. */
  const workers = new Map<number, { id: number; isHeld: boolean }>()
  const released: string[][] = []
  const targetsOf = (records: readonly PoolRecord[] = []): string[] =>
    records.flatMap((record) => ('target' in record ? record.target : []))
  const ask = (port: number, id: number) => {
    const answered = names.answer(SERVICE, 'SRV', { port, id, send: (records) => take(records) })
    const take = (records: readonly PoolRecord[]): void => {
      workers.set(port, { id, isHeld: false })
      released.push(targetsOf(records).flatMap((target) => addresses(target, port) ?? []))
    }
    workers.set(port, { id, isHeld: answered?.records === undefined })
    return answered?.records
  }
  /** The targets that a worker is answered; it repeats a question that was not answered. */
  const services = (port = WORKER): string[] => {
    const { id, isHeld } = workers.get(port) ?? { id: 0, isHeld: false }
    return targetsOf(ask(port, isHeld ? id : id + 1))
  }
  const addresses = (target: string, port = WORKER) =>
    names
      .answer(target, 'A', { port, id: 0, send: () => undefined })
      ?.records?.map((record) => ('address' in record ? record.address : record.target))
  /** A worker asks for all of it, and nothing is lost. */
  const round = (port = WORKER) => services(port).map((target) => addresses(target, port))
  const pass = (ms: number) => void (clock.ms += ms)
  const isTaken = (): boolean => names.isTaken(ID)
  return { names, newcomers, ask, services, addresses, round, released, pass, isTaken }
}

t.test('the next question in time proves it, and nothing before', async (t) => {
  const { names, isTaken, round, released, pass } = scene(peer(1), peer(2))
  t.notOk(names.isAsked(ID))
  t.notOk(isTaken(), 'nobody asked')
  t.same(round(), [['10.0.0.1', '10.0.0.2']])
  t.notOk(isTaken(), 'it was answered')
  pass(1000)
  round()
  t.ok(isTaken())
  names.set(ID, [peer(1)], 0)
  t.notOk(isTaken(), 'another set')
  t.same(released, [['10.0.0.1']], 'the question waited for it')
  pass(1000)
  round()
  t.ok(isTaken())
})

t.test('the same set again is proven again', async (t) => {
  const { names, isTaken, round, pass } = scene(peer(1))
  round()
  pass(1000)
  round()
  names.set(ID, [peer(2)], 0)
  names.set(ID, [peer(1)], 0)
  t.notOk(isTaken())
  pass(1000)
  round()
  t.notOk(isTaken())
  pass(1000)
  round()
  t.ok(isTaken())
})

t.test('a late question says that the answer was lost; what was taken stays', async (t) => {
  const { names, isTaken, round, released, pass } = scene(peer(1))
  round()
  pass(2000)
  round()
  t.notOk(isTaken())
  pass(1000)
  round()
  t.ok(isTaken())
  pass(17_000)
  names.beat()
  t.same(released, [['10.0.0.1']], 'before nginx gives up')
  pass(2000)
  round()
  t.ok(isTaken(), 'an answer that says the same changes nothing')
})

t.test('a question that is sent again proves nothing, and is answered alike', async (t) => {
  const { names, isTaken, ask, services, addresses, pass } = scene(peer(1))
  const [first = ''] = services()
  addresses(first)
  names.set(ID, [peer(2)], 0)
  pass(1000)
  const again = ask(WORKER, 1)?.map((record) => 'target' in record && record.target)
  t.same(again, [first], 'nginx may take either answer')
  t.notOk(isTaken())
  addresses(first)
  pass(1000)
  const [now = ''] = services()
  t.not(now, first)
  addresses(now)
  ask(WORKER, 2)
  pass(1000)
  ask(WORKER, 2)
  t.notOk(isTaken())
  services()
  t.ok(isTaken())
})

t.test('a new question while one waits proves nothing', async (t) => {
  const { isTaken, ask, round, pass } = scene(peer(1))
  round()
  pass(1000)
  round()
  t.ok(isTaken())
  pass(1000)
  ask(WORKER, 2)
  t.ok(isTaken(), 'it is the same one')
  t.ok(ask(WORKER, 3), 'nginx gave up, or is another one at this port')
  t.notOk(isTaken())
})

t.test('what waits of a lane that is no more is answered', async (t) => {
  const { names, round, released, pass } = scene(peer(1))
  round()
  pass(1000)
  round()
  names.retain(new Map())
  t.equal(released.length, 1)
})

t.test('an address that was not asked for was not taken', async (t) => {
  const { isTaken, services, addresses, round, pass } = scene(peer(1), peer(2, { port: 81 }))
  const [first = '', second = ''] = services()
  t.not(first, second)
  addresses(first)
  pass(1000)
  services()
  t.notOk(isTaken(), 'the answer itself was lost, or the question for an address')
  addresses(first)
  addresses(second)
  pass(1000)
  round()
  t.ok(isTaken())
})

t.test('an answer that is on its way still means what it meant', async (t) => {
  const { names, services, addresses } = scene(peer(1))
  const [old = ''] = services()
  names.set(ID, [peer(2)], 0)
  t.same(addresses(old), ['10.0.0.1'])
  const [now = ''] = services()
  t.not(old, now)
  t.same(addresses(now), ['10.0.0.2'])
  t.equal(addresses(old), undefined, 'it has been answered anew since')
})

t.test('a new worker has taken nothing, and both must', async (t) => {
  const { newcomers, isTaken, round, pass } = scene(peer(1))
  round()
  pass(1000)
  round()
  t.ok(isTaken())
  t.same(newcomers, [ID])
  round(NEW_WORKER)
  t.same(newcomers, [ID, ID], 'its coming is reported')
  t.notOk(isTaken())
  pass(1000)
  round()
  t.notOk(isTaken(), 'one of two')
  round(NEW_WORKER)
  t.ok(isTaken())
  t.same(newcomers, [ID, ID])
})

t.test('an old worker that is gone counts no more; a new one that is stuck does', async (t) => {
  const { names, isTaken, round, pass } = scene(peer(1))
  round()
  pass(500)
  round(NEW_WORKER)
  for (let i = 0; i < 4; i++) {
    pass(1000)
    round(NEW_WORKER)
  }
  t.ok(isTaken(), 'the old one is gone')
  names.set(ID, [peer(2)], 0)
  for (let i = 0; i < 5; i++) {
    pass(1000)
    round(WORKER)
  }
  t.ok(isTaken(), 'a worker on a port of before is the newest')
})

t.test('a worker of a former nginx alone proves nothing while the new one is stuck', async (t) => {
  const { names, isTaken, round, pass } = scene(peer(1))
  round()
  pass(200)
  round(NEW_WORKER)
  names.set(ID, [peer(2)], 0)
  for (let i = 0; i < 8; i++) {
    pass(1000)
    round(WORKER)
    t.notOk(isTaken())
  }
  round(NEW_WORKER)
  pass(1000)
  round(WORKER)
  round(NEW_WORKER)
  t.ok(isTaken())
})

t.test('nobody is left: what was proven is not any more', async (t) => {
  const { names, isTaken, round, pass } = scene(peer(1))
  round()
  pass(1000)
  round()
  pass(9000)
  t.notOk(isTaken())
  round()
  names.forget()
  t.notOk(isTaken())
  t.notOk(names.isAsked(ID))
})

t.test('with a longer life a question that comes too early is one after a loss', async (t) => {
  const { names, isTaken, round, pass } = scene()
  names.set(ID, [peer(1)], 5)
  round()
  pass(2000)
  round()
  t.notOk(isTaken(), 'nginx gave up, and asks again after a second')
  pass(7000)
  round()
  t.notOk(isTaken(), 'late')
  pass(5000)
  round()
  t.ok(isTaken(), 'whole seconds, and the first was over')
})

t.test('while this process was busy, a question may have waited', async (t) => {
  const { names, isTaken, round, pass } = scene(peer(1))
  names.beat()
  pass(100)
  names.beat()
  pass(500)
  names.beat()
  // Sent 400 ms ago, so nginx asks again 1600 ms from now if an address was lost.
  round()
  pass(1600)
  round()
  t.notOk(isTaken())
})

t.test('never an empty answer, never a refusal of a lane', async (t) => {
  const { names, services, addresses } = scene()
  t.same(
    services().map((target) => addresses(target)),
    [['127.0.0.1']],
  )
  names.retain(new Map())
  const other = names.answer(SERVICE, 'SRV', undefined)?.records
  t.match(other, [{ port: 9, ttlSeconds: 30 }], 'a lane of a former configuration')
  t.notOk(names.isAsked(ID))
  for (const name of ['pool.sluice', LANE_DOMAIN, `x.${LANE_DOMAIN}`, `${SERVICE}.x`, ID]) {
    t.equal(names.answer(name, 'SRV', undefined), undefined, name)
    t.equal(names.answer(name, 'A', undefined), undefined, name)
  }
  t.equal(names.answer(SERVICE, 'A', undefined), undefined)
})

t.test('over TCP nobody is known', async (t) => {
  const { names, isTaken, newcomers } = scene(peer(1))
  names.answer(SERVICE, 'SRV', undefined)
  names.answer(SERVICE, 'SRV', undefined)
  t.notOk(isTaken())
  t.same(newcomers, [])
})

function bytesOf(name: string, type: 'SRV' | 'A', records: readonly PoolRecord[]): number {
  const questions = [{ name, type }]
  const head = packet.encode({ type: 'response', id: 1, flags: 0, questions })
  return withRecords(head, records).length
}

t.test('what is said to fit fits into one datagram', async (t) => {
  const kinds = { ports: (n: number) => peer(n, { port: n }), alike: (n: number) => peer(n) }
  for (const [kind, make] of Object.entries(kinds)) {
    let count = 1
    while (fitsDns(Array.from({ length: count + 1 }, (_, n) => make(n + 1)))) {
      count++
    }
    t.ok(count >= 50, `${kind}: ${count}`)
    const { names, services } = scene()
    names.set(
      ID,
      Array.from({ length: count }, (_, n) => make(n + 1)),
      0,
    )
    t.ok(bytesOf(SERVICE, 'SRV', names.answer(SERVICE, 'SRV', undefined)?.records ?? []) <= 4096)
    for (const target of services()) {
      t.ok(bytesOf(target, 'A', names.answer(target, 'A', undefined)?.records ?? []) <= 4096)
    }
  }
})

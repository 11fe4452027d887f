/** Which way of reaching it each address of the kept pool has, as time and nginx go on. */
import t from 'tap'
import { KEPT_MS, KeptWays } from '../../../../controller/pool/kept-ways.js'
import type { KeptMember, KeptSituation } from '../../../../controller/pool/kept-ways.js'
import { PoolProgress } from '../../../../controller/pool/pool.js'

const member = (sid: string, way: string): KeptMember => {
  return { sid, host: `10.0.0.${sid.length}`, port: 443, way }
}

/** What nginx has, and the time. */
function situation() {
  const now = { nowMs: 1000, isLevel: true, has: new Set<string>() }
  const seen = (): KeptSituation => ({ ...now, mayHave: (sid) => now.has.has(sid) })
  return { now, seen }
}

function selector(ways: KeptWays, seen: () => KeptSituation) {
  return (...candidates: KeptMember[]): string[] =>
    ways.select(candidates, seen()).map(({ sid, way }) => `${sid} ${way}`)
}

t.test('an address has one way, the first of those that want it at once', async (t) => {
  const ways = new KeptWays()
  ways.forget()
  const { seen } = situation()
  const select = selector(ways, seen)
  t.same(select(member('x', 'b'), member('y', 'b'), member('x', 'a')), ['x a', 'y b'])
  t.same(select(member('x', 'b'), member('y', 'b'), member('x', 'a')), ['x a', 'y b'])
  t.notOk(ways.isWaiting)
})

t.test('the next way waits until no connection of the one before can be left', async (t) => {
  const ways = new KeptWays()
  ways.forget()
  const { now, seen } = situation()
  const select = selector(ways, seen)
  t.same(select(member('x', 'a')), ['x a'])
  now.has.add('x')
  t.same(select(member('x', 'b')), [], 'nginx may still make some')
  t.ok(ways.isWaiting)
  now.nowMs += 10 * KEPT_MS
  t.same(select(member('x', 'b')), [])
  now.has.delete('x')
  t.same(select(member('x', 'b')), [], 'from now on it makes none')
  now.nowMs += KEPT_MS - 1
  t.same(select(member('x', 'b')), [])
  now.nowMs += 1
  now.isLevel = false
  t.same(select(member('x', 'b')), [], 'a request may still ask in the old way')
  now.isLevel = true
  t.same(select(member('x', 'b')), ['x b'])
  t.notOk(ways.isWaiting)
})

t.test('who comes back has its way again, and who left for long is forgotten', async (t) => {
  const ways = new KeptWays()
  ways.forget()
  const { now, seen } = situation()
  const select = selector(ways, seen)
  select(member('x', 'b'))
  t.same(select(), [])
  now.nowMs += KEPT_MS - 1
  t.same(select(member('x', 'a'), member('x', 'b')), ['x b'])
  select()
  now.nowMs += KEPT_MS
  select()
  t.notOk(ways.isWaiting)
  t.same(select(member('x', 'a'), member('x', 'b')), ['x a'])
})

t.test('beside an nginx of an earlier process nobody is let in for as long', async (t) => {
  const ways = new KeptWays()
  const { now, seen } = situation()
  const select = selector(ways, seen)
  now.has.add('')
  t.same(select(member('x', 'a')), [])
  now.nowMs += 2 * KEPT_MS
  t.same(select(member('x', 'a')), [], 'nginx was not seen yet')
  now.has.delete('')
  t.same(select(member('x', 'a')), [])
  now.nowMs += KEPT_MS
  t.same(select(member('x', 'a')), ['x a'])
  ways.doubt()
  t.same(select(member('x', 'a')), [])
  ways.forget()
  t.same(select(member('x', 'a')), ['x a'])
})

t.test('what nginx may have is known after a whole round of questions', async (t) => {
  const it = new PoolProgress('k0.pool.sluice')
  const ask = (...targets: string[]): void => {
    it.serviceAsked()
    targets.forEach((target) => it.targetAsked(target))
  }
  const targets = (): string[] => it.answers?.services.map(({ target }) => target) ?? []
  it.setMembers([])
  ask()
  ask(...targets())
  t.ok(it.mayHave('x'), 'a round without its targets shows nothing')
  const x = { sid: 'x', host: '10.0.0.1', port: 443 }
  const y = { sid: 'y', host: '10.0.0.2', port: 444 }
  it.setMembers([x, y])
  ask(...targets().slice(0, 1))
  t.notOk(it.mayHave('z'))
  t.ok(it.mayHave('x') && it.mayHave('y'))
  it.setMembers([])
  ask()
  t.ok(it.mayHave('x'))
  ask(...targets())
  t.ok(it.mayHave('x'))
  ask()
  t.notOk(it.mayHave('x'))
  it.forget()
  t.ok(it.mayHave('x'))
})

/** Policies, as requests meet them. */
import t from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { hostUnit, ruledUnit, splitUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import type { RuledPeer } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const tokenOf = (id: string): string => id.repeat(16)
const count = (all: string[], id: string): number => all.filter((one) => one === id).length

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind })
    const backends = await Promise.all(['a', 'b', 'c'].map((id) => startBackend(t, id)))
    await gateway.fillPool(...backends.map(({ address }) => address))
    const peers = (more: Record<string, Partial<RuledPeer>> = {}): RuledPeer[] =>
      backends.map(({ id, address }) => ({ id, address, pooled: gateway.pool, ...more[id] }))
    const host = hostUnit('web.test', [['/', ':web']])
    const serve = (...[list, rules, lists]: Unit): Promise<void> =>
      gateway.setTable(ruledUnit('web', list, rules, lists), host)
    const to = async (path = '/', headers = {}, method = 'GET'): Promise<string> => {
      const answer = await gateway.ask({ host: 'web.test', path, headers, method })
      return answer.status === 200 ? (answer.json as { id: string }).id : String(answer.status)
    }
    const many = async (times: number, path = '/', headers = {}): Promise<string[]> => {
      const all: string[] = []
      for (let i = 0; i < times; i++) {
        all.push(await to(path, headers))
      }
      return all
    }
    /** Requests that their backends keep until they are released. */
    const hold = async (times: number): Promise<() => Promise<string[]>> => {
      const waiting = Array.from({ length: times }, () => to('/?hold'))
      const held = (): number => backends.reduce((sum, backend) => sum + backend.held(), 0)
      await until(() => held() === times, { what: `${times} held requests` })
      return () => {
        backends.forEach((backend) => backend.release())
        return Promise.all(waiting)
      }
    }

    t.test('roundRobin is exact, over all workers', async (t) => {
      await serve(peers(), { balance: 'r' }, { main: ['a', 'a', 'b', 'a', 'c', 'a', 'a'] })
      const all = await many(70)
      t.same([count(all, 'a'), count(all, 'b'), count(all, 'c')], [50, 10, 10])
      t.same(all.slice(0, 7).sort(), ['a', 'a', 'a', 'a', 'a', 'b', 'c'])
    })

    t.test('random chooses by weight', async (t) => {
      await serve(peers(), { balance: 'w' }, { main: ['a', 'a', 'b', 'a'] })
      const all = await many(200)
      t.ok(count(all, 'a') > 110 && count(all, 'a') < 185, `a ${count(all, 'a')} of 200`)
      t.equal(count(all, 'a') + count(all, 'b'), 200)
    })

    for (const balance of ['c', 't'] as const) {
      t.test(`${balance} goes where least is in flight`, async (t) => {
        await serve(peers(), { balance }, { main: ['a', 'b', 'c'] })
        const release = await hold(6)
        const held = backends.map((backend) => backend.held())
        if (balance === 'c') {
          t.same(held, [2, 2, 2])
        } else {
          t.ok(Math.max(...held) <= 4, String(held))
        }
        t.same((await release()).length, 6)
      })
    }

    t.test('leastTime leaves the slow one', async (t) => {
      await serve(peers(), { balance: 'l', measured: true }, { main: ['a', 'b', 'c'] })
      backends[2]?.slow(200)
      const all = await many(60)
      backends[2]?.slow(0)
      t.ok(count(all, 'c') < 10, `c ${count(all, 'c')} of 60`)
      t.equal(count(all, 'a') + count(all, 'b') + count(all, 'c'), 60)
    })

    t.test('maxConns is never passed, and then others serve', async (t) => {
      const list = peers({ a: { maxConns: 2 } })
      await serve(list, { balance: 'w', capped: true }, { main: ['a'], spill: ['b'] })
      const release = await hold(5)
      t.same([backends[0]?.held(), backends[1]?.held()], [2, 3])
      await release()
      t.equal(await to(), 'a', 'a place is free again')
      const ejected = { up: false, ejected: true }
      const one = peers({ a: { maxConns: 1 }, b: ejected, c: ejected })
      await serve(one, { balance: 'w', capped: true }, { main: ['a'] })
      const last = await hold(1)
      const before = await gateway.counters()
      const full = await gateway.ask({ host: 'web.test', headers: { accept: 'application/json' } })
      t.match(full, { status: 503, json: { code: 'upstream_full', detail: /instance of web/ } })
      t.match(full.headers['retry-after'], /^\d+$/)
      const after = await gateway.counters()
      t.equal((after.full ?? 0) - (before.full ?? 0), 1)
      t.equal(after.noPeer, before.noPeer)
      t.same(await last(), ['a'])
      await serve(peers({ a: { up: false } }).slice(0, 1), { capped: true }, { main: [] })
      const none = await gateway.ask({ host: 'web.test', headers: { accept: 'application/json' } })
      t.match(none, { status: 503, json: { code: 'no_peer' } })
    })

    t.test('hash: one key, one instance, and another when that is gone', async (t) => {
      const ring = ['a', 'b', 'c', 'c', 'a', 'b', 'b', 'c', 'a']
      await serve(peers(), { balance: 'h', key: 'header:x-user' }, { main: ring })
      const found = new Map<string, string>()
      for (const user of ['u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7', 'u8', 'u9']) {
        const all = await many(3, '/', { 'X-User': user })
        t.equal(new Set(all).size, 1, `${user}: ${all.join(' ')}`)
        found.set(user, all[0] ?? '')
      }
      t.ok(new Set(found.values()).size > 1, 'not all by one')
      await serve(peers(), { balance: 'h', key: 'network' }, { main: ring })
      t.equal(new Set(await many(6)).size, 1, 'one client, one instance')
      await serve(peers(), { balance: 'h', key: 'argument:id' }, { main: ring })
      t.equal(new Set(await many(4, '/?id=7')).size, 1)
      await serve(peers(), { balance: 'h', key: 'cookie:user' }, { main: ring })
      t.equal(new Set(await many(4, '/', { cookie: 'x=1; user=7' })).size, 1)
    })

    t.test('a hash with a bound passes keys on', async (t) => {
      const rules = { balance: 'h', key: 'uri', loadPercent: 110 } as const
      await serve(peers(), rules, { main: ['a', 'b', 'c'] })
      const release = await hold(6)
      t.ok(Math.max(...backends.map((backend) => backend.held())) <= 3)
      await release()
    })

    t.test('sticky by cookie gives a cookie, and keeps to its instance', async (t) => {
      const named = peers({ a: { session: tokenOf('a') }, b: { session: tokenOf('b') } })
      const rules = { balance: 'r', sticky: 'cookie:sl' } as const
      await serve(named, rules, { main: ['a', 'b'], cookie: '; Path=/; HttpOnly' })
      const first = await gateway.ask({ host: 'web.test' })
      const { id } = first.json as { id: string }
      t.same(first.headers['set-cookie'], [`sl=${tokenOf(id)}; Path=/; HttpOnly`])
      const cookie = `sl=${tokenOf(id)}`
      t.equal(count(await many(10, '/', { cookie }), id), 10)
      const again = await gateway.ask({ host: 'web.test', headers: { cookie } })
      t.equal(again.headers['set-cookie'], undefined, 'once is enough')
      for (const bad of [
        'sl=zzz',
        `sl=${'f'.repeat(16)}`,
        'sl=127.0.0.1:80',
        `sl=${'0'.repeat(9999)}`,
      ]) {
        const answer = await gateway.ask({ host: 'web.test', headers: { cookie: bad } })
        t.equal(answer.status === 200 || answer.status === 400, true, bad.slice(0, 30))
      }
      const other = id === 'a' ? 'b' : 'a'
      const drained = peers({ [id]: { up: false }, [other]: { session: tokenOf(other) } })
      await serve(drained, rules, { main: [other], cookie: '; Path=/' })
      const moved = await gateway.ask({ host: 'web.test', headers: { cookie } })
      t.equal((moved.json as { id: string }).id, other, 'a drained instance loses its sessions')
      t.same(moved.headers['set-cookie'], [`sl=${tokenOf(other)}; Path=/`])
      const kept = peers({
        [id]: { up: false, session: tokenOf(id) },
        [other]: { session: tokenOf(other) },
      })
      await serve(kept, rules, { main: [other], cookie: '; Path=/' })
      t.equal(await to('/', { cookie }), id, 'or keeps them')
      t.equal(await to(), other)
    })

    t.test('sticky by route keeps to the instance that the key names', async (t) => {
      const named = peers({ a: { session: 'a' }, b: { session: 'b' } })
      const rules = { balance: 'r', sticky: 'route:cookie:JSESSIONID' } as const
      await serve(named, rules, { main: ['a', 'b'] })
      for (const id of ['a', 'b']) {
        const all = await many(6, '/', { cookie: `JSESSIONID=0A1B.${id}` })
        t.equal(count(all, id), 6)
      }
      t.equal(new Set(await many(4, '/', { cookie: 'JSESSIONID=0A1B' })).size, 2)
    })

    t.test('an answer is tried again only where the policy says so', async (t) => {
      const rules = { balance: 'r', statuses: 1 << 3 } as const
      await serve(peers(), rules, { main: ['a', 'b'] })
      t.equal(await to('/?status=404'), '404')
      const before = backends.map(({ ledger }) => ledger.length)
      t.equal(await to('/?status=503'), '503', 'the last one passes')
      t.equal(await to('/?status=503', {}, 'POST'), '503')
      const asked = backends.map(({ ledger }, i) => ledger.length - (before[i] ?? 0))
      t.same(
        asked.reduce((sum, n) => sum + n),
        4,
        'three for the GET and one for the POST',
      )
    })

    t.test('an answer that no policy names is the instance’s own', async (t) => {
      const rules = { balance: 'r', statuses: 1 << 3 } as const
      await serve(peers(), rules, { main: ['a', 'b'] })
      for (const status of ['502', '504']) {
        const before = backends.map(({ ledger }) => ledger.length)
        t.equal(await to(`/?status=${status}`, {}, 'DELETE'), status)
        const asked = backends.reduce(
          (sum, { ledger }, i) => sum + ledger.length - (before[i] ?? 0),
          0,
        )
        t.equal(asked, 1, 'it ran once')
      }
      await serve(peers(), { ...rules, timeoutMs: 1 }, { main: ['a', 'b'] })
      backends.forEach(({ slow }) => slow(50))
      t.equal(await to('/?status=503'), '503', 'where time is up, its status stays')
      backends.forEach(({ slow }) => slow(0))
    })

    t.test('tries, and a budget for them', async (t) => {
      const dead = ['d1', 'd2', 'd3', 'd4'].map((id, i) => ({ id, address: `127.0.0.1:${i + 2}` }))
      const ids = dead.map(({ id }) => id)
      const list = [...dead, ...peers()]
      await serve(list, { balance: 'r', tries: 2 }, { main: [...ids, 'a'] })
      const two = await many(10)
      t.ok(count(two, '502') >= 4, two.join(' '))
      await serve(list, { balance: 'r', tries: 8 }, { main: [...ids, 'a'] })
      t.equal(count(await many(10), '502'), 0)
      await serve(list, { balance: 'w', budgetPercent: 1 }, { main: [...ids, ...ids, 'a'] })
      const few = await many(40)
      t.ok(count(few, '502') >= 15, `a budget is soon spent: ${count(few, '502')} of 40 failed`)
    })

    t.test('an ejected instance is asked when nobody else is left', async (t) => {
      const dead = { id: 'd', address: '127.0.0.1:2' }
      const list = [dead, ...peers({ a: { up: false, ejected: true }, c: { up: false } })]
      for (const rules of [{ balance: 'r' }, { balance: 'n' }] as const) {
        const main = rules.balance === 'n' ? [] : ['d', 'b']
        const slots = rules.balance === 'n' ? upstreamUnit('web', list) : []
        await gateway.setTable(
          new Map([...slots, ...ruledUnit('web', list, rules, { main })]),
          host,
        )
        t.same(new Set(await many(8)), new Set(['b']))
      }
      const alone = list.filter(({ id }) => id !== 'b')
      await serve(alone, { balance: 'r' }, { main: ['d'] })
      t.same(new Set(await many(4)), new Set(['a']))
    })

    t.test('where the budget is spent, an answer passes as it is', async (t) => {
      const rules = { balance: 'r', statuses: 1 << 3, budgetPercent: 1 } as const
      await serve(peers(), rules, { main: ['a', 'b'] })
      const all = await many(30, '/?status=503')
      t.same(new Set(all), new Set(['503']))
      /** Whose answer it is, by its header and by its body. */
      const whole = async (): Promise<void> => {
        const answer = await gateway.ask({ host: 'web.test', path: '/?status=503' })
        const { id } = answer.json as { id: string }
        t.match(answer, { status: 503, headers: { 'x-own': id } })
      }
      await whole()
      await serve(peers(), { balance: 'r', statuses: 1 << 3, tries: 1 }, { main: ['a', 'b'] })
      await whole()
      const alone = peers({ b: { up: false }, c: { up: false } })
      await serve(alone, { balance: 'r', statuses: 1 << 3 }, { main: ['a'] })
      await whole()
    })

    t.test('what failed is reported', async (t) => {
      const dead = { id: 'd', address: '127.0.0.1:2' }
      await serve([dead, ...peers()], { balance: 'r' }, { main: ['d', 'a'] })
      t.equal(count(await many(4), 'a'), 4)
      const answer = await gateway.admin('GET', '/events?from=0')
      if (answer.status === 404) {
        return t.comment('no such call yet')
      }
      const { events } = answer.json as { events: string[] }
      t.ok(events.includes(`f${sidOfAddress(dead.address)}`))
    })

    t.test('one request tries what may have recovered', async (t) => {
      const list = peers({ a: { up: false } })
      const sid = sidOfAddress(backends[0]?.address ?? '')
      await serve(list, { balance: 'r', trial: `1${sid}` }, { main: ['b', 'c'] })
      const all = await many(10)
      t.equal(count(all, 'a'), 1, all.join(' '))
      await serve(list, { balance: 'r', trial: `2${sid}` }, { main: ['b', 'c'] })
      t.equal(count(await many(10), 'a'), 1)

      let trial = 2
      /** What is reported of a new trial that requests to this path take, and what they get. */
      const tryBy = async (path: string, rules: object) => {
        const { next } = (await gateway.admin('GET', '/events?from=0')).json as { next: number }
        await serve(
          list,
          { balance: 'r', trial: `${(trial = (trial % 9) + 1)}${sid}`, ...rules },
          { main: ['b', 'c'] },
        )
        const got = await many(6, path)
        const answer = await gateway.admin('GET', `/events?from=${next}`)
        const { events } = answer.json as { events: string[] }
        return {
          got: [...new Set(got)].sort(),
          events: events.filter((each) => each.endsWith(sid)),
        }
      }
      const [taken, passed, failed] = [`t${sid}`, `p${sid}`, `f${sid}`]
      for (const status of [500, 502, 503]) {
        const all = `/?status=${status}`
        const alike = await tryBy(all, {})
        t.same(alike, { got: [String(status)], events: [taken, passed] }, 'others answer so, too')
        const own = await tryBy(`${all}&only=a`, {})
        t.same(own, { got: ['b', 'c'], events: [taken, failed] }, 'others answer it')
      }
      const named = await tryBy('/?status=503', { statuses: 1 << 3 })
      t.same(named, { got: ['503'], events: [taken, passed] })
      for (const measured of [false, true]) {
        const { events } = await tryBy('/?status=500', { tries: 1, measured })
        t.same(events, [taken, measured ? failed : passed], 'nobody else may be asked')
      }
    })

    t.test('in a split, the arm is drawn and its rules choose', async (t) => {
      const web = ruledUnit('web', peers(), { balance: 'r' }, { main: ['a', 'b'] })
      const split = splitUnit('canary', [{ upstream: 'web', weight: 1, peers: peers() }])
      const ruled = new Map(
        [...split].map(([key, value]) => [key, /\/\d+$/.test(key) ? `$${value}` : value]),
      )
      await gateway.setTable(web, ruled, hostUnit('web.test', [['/', '~canary']], ruled))
      const all = await many(20)
      t.same([count(all, 'a'), count(all, 'b')], [10, 10])
    })

    t.test('nothing stays counted', async (t) => {
      const sums = async (): Promise<number> => {
        const each = await Promise.all(
          backends.map(({ address }) => gateway.active(sidOfAddress(address))),
        )
        return each.reduce((sum, one) => sum + one, 0)
      }
      await until(async () => (await sums()) === 0, { what: 'no request in flight' })
      await serve(peers({ a: { maxConns: 1 } }), { capped: true }, { main: ['a'] })
      t.equal(await to(), 'a')
      t.notMatch(gateway.errorLog(), /sluice: .* failed/)
    })
  })
}

type Unit = [RuledPeer[], Parameters<typeof ruledUnit>[2], Parameters<typeof ruledUnit>[3]]

/** Splits in which more than a draw decides, in every kind of nginx. */
import t from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import {
  chosenUnit,
  hostUnit,
  ruledUnit,
  splitUnit,
  upstreamUnit,
} from '../../../lab/nginx/unit-builder.js'
import type { RuledPeer } from '../../../lab/nginx/unit-builder.js'

t.setTimeout(170_000)

const tokenOf = (id: string): string => id.repeat(16)

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind })
    const backends = await Promise.all(['a', 'b'].map((id) => startBackend(t, id)))
    await gateway.fillPool(...backends.map(({ address }) => address))
    const peer = (i: number, more: Partial<RuledPeer> = {}): RuledPeer => {
      const { id = '', address = '' } = backends[i] ?? {}
      return { id, address, pooled: gateway.pool, ...more }
    }
    const host = hostUnit('app.test', [['/', '~canary']])
    const plain = [upstreamUnit('web', [peer(0)]), upstreamUnit('next', [peer(1)])]
    const serve = (...lines: string[]): Promise<void> =>
      gateway.setTable(...plain, host, chosenUnit('canary', ':next :web', ...lines))
    const ask = (headers: Record<string, string> = {}) => gateway.ask({ host: 'app.test', headers })
    const to = async (headers: Record<string, string> = {}): Promise<string> => {
      const answer = await ask(headers)
      return answer.status === 200 ? (answer.json as { id: string }).id : String(answer.status)
    }
    const users = Array.from({ length: 24 }, (_, i) => ({ 'x-user': `user-${i}` }))
    const each = async (): Promise<string> => {
      const all: string[] = []
      for (const user of users) {
        all.push(await to(user))
      }
      return all.join('')
    }

    t.test('a condition forces an arm, whatever the weights', async (t) => {
      await serve(':next\thttp_x_canary=always', ':next\tcookie_beta\targ_v=2', '1000 :web')
      t.equal(await to(), 'a')
      t.equal(await to({ 'x-canary': 'always' }), 'b')
      t.equal(await to({ 'x-canary': 'never', cookie: 'beta=1' }), 'a', 'both must hold')
      const both = { path: '/?v=2', host: 'app.test', headers: { cookie: 'beta=1' } }
      t.match((await gateway.ask(both)).json, { id: 'b' })
    })

    t.test('who meets none is drawn', async (t) => {
      await serve(':next\thttp_x_canary=always', '1 :web', '1 :next')
      const all = new Set<string>()
      for (let i = 0; i < 60; i++) {
        all.add(await to())
      }
      t.same([...all].sort(), ['a', 'b'])
    })

    t.test('a client keeps its arm; one that grows only gains', async (t) => {
      await serve('=seed header:x-user', '1 :next', '3 :web')
      const before = await each()
      t.equal(await each(), before)
      t.match(before, /a.*b|b.*a/)
      await serve('=seed header:x-user', '3 :next', '3 :web')
      const after = await each()
      t.ok(
        [...before].every((id, i) => id === 'a' || after[i] === 'b'),
        `${before} ${after}`,
      )
      t.not(after, before)
      await serve('=other header:x-user', '3 :next', '3 :web')
      t.not(await each(), after, 'another seed')
      const strangers = new Set<string>()
      for (let i = 0; i < 60; i++) {
        strangers.add(await to())
      }
      t.equal(strangers.size, 2, 'who has no such text is drawn')
    })

    t.test('a client gets a cookie, and keeps its arm by it', async (t) => {
      await serve('=seed given arm\t; Path=/; HttpOnly', '1 :next', '1 :web')
      const seen = new Set<string>()
      for (let i = 0; i < 24; i++) {
        const first = await ask()
        const [given = ''] = first.headers['set-cookie'] ?? []
        t.match(given, /^arm=[0-9a-f]{32}; Path=\/; HttpOnly$/)
        const { id } = first.json as { id: string }
        seen.add(id)
        const again = await ask({ cookie: given.split(';')[0] ?? '' })
        t.match(again, { json: { id }, headers: { 'set-cookie': undefined } })
      }
      t.equal(seen.size, 2)
    })

    t.test('an arm that does not answer leaves its clients to the others', async (t) => {
      const dead = upstreamUnit('next', [{ id: 'd', address: '127.0.0.1:2' }])
      const split = chosenUnit('canary', ':next :web', ':next\thttp_x_canary', '1 :web')
      await gateway.setTable(plain[0] ?? new Map(), dead, host, split)
      t.equal(await to({ 'x-canary': '1' }), 'a')
    })

    t.test('a session keeps its arm', async (t) => {
      const sticky = (name: string, i: number) =>
        ruledUnit(
          name,
          [peer(i, { session: tokenOf(peer(i).id) })],
          { balance: 'r', sticky: 'cookie:sl' },
          { main: [peer(i).id], cookie: '; Path=/' },
        )
      const arms = ['next', 'web'].map((upstream, i) => ({ upstream, weight: 1, peers: [peer(i)] }))
      const drawn = [...splitUnit('canary', arms)].map(([key, value]): [string, string] => [
        key,
        /\/\d+$/.test(key) ? `$${value}` : value,
      ])
      for (const split of [
        new Map(drawn),
        chosenUnit('canary', ':next :web', '1 :next', '1 :web'),
      ]) {
        await gateway.setTable(sticky('next', 0), sticky('web', 1), host, split)
        for (const { id } of backends) {
          const cookie = `sl=${tokenOf(id)}`
          for (let i = 0; i < 12; i++) {
            t.equal(await to({ cookie }), id)
          }
        }
        const [given = ''] = (await ask()).headers['set-cookie'] ?? []
        t.match(given, /^sl=[ab]{16}; Path=\/$/)
      }
    })

    t.test('nothing failed in a handler meanwhile', async (t) => {
      t.notMatch(gateway.errorLog(), /sluice: .* failed/)
    })
  })
}

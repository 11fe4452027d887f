// Instances that have a seat are not asked first, and who refuses costs no connection all the same.
import t from 'tap'
import { GatewayClient } from '../../../controller/push/gateway-client.js'
import { startTcp } from '../../../lab/backends/stream-backend.js'
import type { StreamBackend } from '../../../lab/backends/stream-backend.js'
import { greeted, openTcp } from '../../../lab/stream-client.js'
import { until } from '../../../lab/until.js'
import { drain, instance, put, setUpStream } from '../../support/stream-set-up.js'

t.setTimeout(170_000)

const NEVER_EJECTED = put('upstreams/db', { policy: { eject: { maxFails: 0 } } })

/** Until each connection to the port is the only one to an instance. */
async function seated(port: number, backends: StreamBackend[]): Promise<void> {
  const seen = () => backends.reduce((sum, backend) => sum + backend.seen(), 0)
  const isSeated = async () => {
    const before = seen()
    await greeted(port, 10)
    return seen() - before === 10
  }
  await until(isSeated, { what: 'instances that are not asked', deadlineMs: 30_000 })
}

for (const kind of ['njs', 'qjs'] as const) {
  t.test(
    `${kind}: who has a seat is not asked first, and who refuses is passed over`,
    async (t) => {
      const [a, b] = [await startTcp(t, 'a', '127.9.8.7'), await startTcp(t, 'b')]
      const { commit, ports, controller, gateway } = await setUpStream(t, kind)
      const [port = 0, limited = 0] = ports
      const route = (id: string, port: number) =>
        put(`routes/${id}`, { port, protocol: 'tcp', upstream: id })
      await commit(
        NEVER_EJECTED,
        ...[instance('db', a), instance('db', b), route('db', port)],
        put('upstreams/one', { policy: { balance: 'leastConn', eject: { maxFails: 0 } } }),
        ...[a, b].map((each) => instance('one', each, { maxConns: 2 })),
        route('one', limited),
      )
      await seated(port, [a, b])
      await seated(limited, [a, b])
      t.same(Object.keys(await greeted(port, 40)).sort(), ['a', 'b'])
      await a.stop()
      t.same(await greeted(port, 200), { b: 200 }, 'not one is lost')
      const held = await Promise.all(Array.from({ length: 20 }, () => openTcp(port)))
      await Promise.all(held.map((client) => client.line()))
      const active = async () => (await controller.active('db', ['a', 'b'])).join()
      await until(async () => (await active()) === '0,20', { what: 'counts of those who serve' })
      await Promise.all(held.map((client) => client.end()))
      await until(async () => (await active()) === '0,0', { what: 'nothing in flight' })

      const places = [await openTcp(limited), await openTcp(limited)]
      t.same(await Promise.all(places.map((client) => client.line())), ['b', 'b'])
      t.same(await greeted(limited, 1), { '': 1 }, 'who is there is full')
      const again = await startTcp(t, 'a', a.host, a.port)
      t.same(await greeted(limited, 4), { a: 4 }, 'those who were refused hold no place of a')
      await Promise.all(places.map((client) => client.end()))

      await commit(drain('db', again))
      t.same(await greeted(port, 20), { b: 20 }, 'who drains gets none')
      await commit({ type: 'delete', key: 'instances/db/b' })
      await until(async () => (await greeted(port, 1))[''] === 1, { what: 'nobody is left' })
      const stream = new GatewayClient(`${gateway.home}/run/stream.sock`)
      t.teardown(() => stream.close())
      const [unit] = await stream.read([`@tcp*${port}/0`])
      t.equal(unit, null, 'and the table leads to no seat')
    },
  )

  t.test(`${kind}: an instance that comes and goes all the time costs no connection`, async (t) => {
    const [a, b] = [await startTcp(t, 'a', '127.9.8.8'), await startTcp(t, 'b')]
    const { commit, ports } = await setUpStream(t, kind)
    const [port = 0] = ports
    await commit(
      ...[NEVER_EJECTED, instance('db', a), instance('db', b)],
      put('routes/db', { port, protocol: 'tcp', upstream: 'db' }),
    )
    await seated(port, [a, b])
    const found = new Set<string>()
    const load = async () => {
      for (const who of Object.keys(await greeted(port, 10))) {
        found.add(who)
      }
    }
    let now = a
    for (let i = 0; i < 8; i++) {
      // Nobody waits in its queue: what waits there was accepted, and is lost with it.
      await now.close()
      const loads = [load(), load(), load(), load()]
      now = await startTcp(t, 'a', a.host, a.port)
      await Promise.all(loads)
    }
    t.same([...found].sort(), ['a', 'b'], 'nobody was closed')
  })
}

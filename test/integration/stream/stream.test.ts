// Connections by port, over a real nginx, the real registry and real sockets.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PlainNginx } from '../../../bench/rig/plain-nginx.js'
import { GatewayClient } from '../../../controller/push/gateway-client.js'
import { blockedAddress, waitingFor } from '../../support/blocked-port.js'
import type { startGateway, GatewayKind } from '../../../lab/nginx/gateway.js'
import { drain, instance, put, setUpStream } from '../../support/stream-set-up.js'
import { freePort } from '../../../lab/ports.js'
import { startTcp, startUdp } from '../../../lab/backends/stream-backend.js'
import { askUdp, floodUdp, greeted, openTcp } from '../../../lab/stream-client.js'
import type { StreamBackend } from '../../../lab/backends/stream-backend.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { tools } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const KINDS: GatewayKind[] = ['njs', 'qjs', 'stable']

/** By nginx, which is quick enough to be gone before its client looks. */
async function startGreeters(t: Parameters<typeof startGateway>[0], hosts: string[]) {
  const { nginx } = await tools()
  const port = await freePort()
  const started = await PlainNginx.start({
    nginx,
    folder: temporaryFolder(t, 'greeters'),
    main: nginx.modules.map((path) => `load_module "${path}";`).join('\n'),
    configuration: `server { listen 127.0.0.1:${port}; }`,
    stream: hosts.map((host) => `server { listen ${host}:${port}; return "hello\n"; }`).join('\n'),
    port,
  })
  t.teardown(() => started.stop())
  return port
}

for (const kind of KINDS) {
  t.test(`${kind}: a port is given to an upstream, drained, taken away`, async (t) => {
    const [a, b] = [await startTcp(t, 'a'), await startTcp(t, 'b')]
    const { controller, commit, ports, gateway } = await setUpStream(t, kind)
    const [port = 0, other = 0] = ports
    const before = await gateway.state()
    t.same(await greeted(port, 2), { '': 2 }, 'without a route it is closed at once')

    await commit(
      instance('db', a),
      instance('db', b),
      put('routes/db', { port, protocol: 'tcp', upstream: 'db' }),
    )
    t.same(Object.keys(await greeted(port, 40)).sort(), ['a', 'b'])
    t.same(await greeted(other, 1), { '': 1 }, 'the other port leads nowhere')

    const held = await openTcp(port)
    const busy = (await held.line()) === 'a' ? a : b
    const free = busy === a ? b : a
    await commit(drain('db', busy))
    t.same(await greeted(port, 20), { [free.id]: 20 }, 'no new connection while it drains')
    // Those that were greeted are closed, but nginx may not have seen it of the last.
    const active = () => controller.active('db', [busy.id, free.id])
    await until(async () => (await active()).join() === '1,0', { what: 'one in flight' })
    held.socket.write('still here\n')
    t.equal(await held.line(), 'still here', 'what is open goes on')

    await commit(
      { type: 'delete', key: `overrides/db/${busy.id}` },
      { type: 'delete', key: `instances/db/${busy.id}` },
    )
    t.same(await greeted(port, 20), { [free.id]: 20 }, 'nor when it is removed')
    held.socket.write('and here\n')
    t.equal(await held.line(), 'and here')
    await held.end()
    await until(() => busy.open() === 0)

    await commit({ type: 'delete', key: 'routes/db' })
    t.same(await greeted(port, 2), { '': 2 })
    const after = await gateway.state()
    t.same(after.workers, before.workers, 'by the same workers')
  })

  t.test(`${kind}: a peer that refuses is passed over`, async (t) => {
    // An address of its own: on 127.0.0.1 somebody else may get the port once it is free.
    const [a, b] = [await startTcp(t, 'a', '127.9.8.7'), await startTcp(t, 'b')]
    const { commit, ports } = await setUpStream(t, kind)
    const [port = 0] = ports
    await commit(
      put('upstreams/db', { policy: { eject: { maxFails: 0 } } }),
      instance('db', a),
      instance('db', b),
      put('routes/db', { port, protocol: 'tcp', upstream: 'db' }),
    )
    await a.stop()
    t.same(await greeted(port, 200), { b: 200 })
  })

  t.test(
    `${kind}: what is of requests alone changes the revision here too, a little later`,
    async (t) => {
      const a = await startTcp(t, 'a')
      const { gateway, commit, controller } = await setUpStream(t, kind)
      const stream = new GatewayClient(join(gateway.home, 'run/stream.sock'))
      t.teardown(() => stream.close())
      await commit(instance('web', a), put('routes/web', { hosts: ['web.test'], upstream: 'web' }))
      await commit(drain('web', a))
      const { revision } = await gateway.state()
      t.equal(controller.stream().connected, true)
      await until(async () => (await stream.state()).revision === revision, {
        what: 'the revision',
      })
    },
  )

  t.test(`${kind}: an nginx before, whose workers only finish, is not the one`, async (t) => {
    const { gateway } = await setUpStream(t, kind)
    const { pid } = await gateway.state()
    let master = pid + 1
    const stream = new GatewayClient(join(gateway.home, 'run/stream.sock'), {
      master: () => master,
    })
    t.teardown(() => stream.close())
    await t.rejects(stream.state(), { code: 'gateway_unavailable', message: /answered/ })
    master = pid
    t.equal((await stream.state()).pid, pid, 'over connections of its own')
  })

  t.test(`${kind}: peers that greet and leave at once have taken the connection`, async (t) => {
    const { gateway, commit, ports } = await setUpStream(t, kind)
    const port = await startGreeters(t, ['127.9.8.3', '127.9.8.4'])
    await commit(
      put('instances/time/a', { host: '127.9.8.3', port }),
      put('instances/time/b', { host: '127.9.8.4', port }),
      put('routes/time', { port: ports[0], protocol: 'tcp', upstream: 'time' }),
    )
    t.same(await greeted(ports[0] ?? 0, 30), { hello: 30 })
    const log = readFileSync(join(gateway.home, 'logs/error.log'), 'utf8')
    t.notMatch(log, /ask\.sock/, 'none was taken for one that refuses')
  })

  t.test(`${kind}: a split that goes while it waits for a peer costs no connection`, async (t) => {
    const blocked = await blockedAddress(t)
    const b = await startTcp(t, 'b')
    const { commit, ports } = await setUpStream(t, kind)
    const [port = 0] = ports
    const route = (leads: object) => put('routes/db', { port, protocol: 'tcp', ...leads })
    const plain = { upstream: 'db' }
    await commit(
      put('instances/db/a', { host: '127.0.0.1', port: Number(blocked.slice(10)), weight: 1000 }),
      instance('db', b),
      route({ split: [{ upstream: 'db', weight: 1 }] }),
    )
    const waiting = waitingFor(blocked)
    const client = await openTcp(port)
    await until(() => waitingFor(blocked) > waiting, { what: 'a peer that is asked' })
    await commit(route(plain))
    t.equal(await client.line(), 'b')
    await client.end()
  })

  t.test(
    `${kind}: an instance that goes from a hash with limits costs no connection`,
    async (t) => {
      const [a, b] = [await startTcp(t, 'a'), await startTcp(t, 'b')]
      const { commit, ports } = await setUpStream(t, kind)
      const [port = 0] = ports
      const limited = (backend: StreamBackend) => instance('db', backend, { maxConns: 1000 })
      // A ring takes several parts to write, between which connections are made.
      await commit(
        put('upstreams/db', { policy: { balance: 'ipHash' } }),
        limited(a),
        put('routes/db', { port, protocol: 'tcp', upstream: 'db' }),
      )
      let isOver = false
      const found = new Set<string>()
      const load = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          Object.keys(await greeted(port, 5)).forEach((who) => found.add(who))
        }
      })
      for (let i = 0; i < 10; i++) {
        const [going, staying] = i % 2 === 0 ? [b, a] : [a, b]
        await commit(limited(going), limited(staying))
        await commit({ type: 'delete', key: `instances/db/${going.id}` })
      }
      isOver = true
      await Promise.all(load)
      t.notOk(found.has(''), 'nobody was closed')
    },
  )

  t.test(`${kind}: one that fails is left out, tried, and back`, async (t) => {
    const [a, b] = [await startTcp(t, 'a', '127.9.8.5'), await startTcp(t, 'b')]
    const { commit, ports, controller } = await setUpStream(t, kind)
    const [port = 0] = ports
    const reason = () => controller.conditionsOf('db').get('a')?.reason ?? ''
    const served = new Set<string>()
    const serve = async () => Object.keys(await greeted(port, 5)).forEach((id) => served.add(id))
    await commit(
      put('upstreams/db', { policy: { eject: { maxFails: 3, failTimeoutMs: 1000 } } }),
      instance('db', a),
      instance('db', b),
      put('routes/db', { port, protocol: 'tcp', upstream: 'db' }),
    )
    await a.stop()
    for (const said of [/^ejected until .*: 3 failures$/, /^ejected until .*: a trial failed$/]) {
      const isSaid = () => serve().then(() => said.test(reason()))
      await until(isSaid, { what: String(said) })
    }
    t.same([...served], ['b'], 'all the time')
    await startTcp(t, 'a', a.host, a.port)
    await until(() => serve().then(() => served.has('a')), { what: 'a trial that passes' })
    await until(() => reason() === '', { what: 'nothing against it' })
  })

  t.test(`${kind}: instances that do not like to be asked`, async (t) => {
    const [a, b] = [await startTcp(t, 'a'), await startTcp(t, 'b')]
    const { commit, ports } = await setUpStream(t, kind)
    const [port = 0] = ports
    const seen = () => a.seen() + b.seen()
    await commit(
      instance('db', a),
      instance('db', b),
      put('routes/db', { port, protocol: 'tcp', upstream: 'db' }),
    )
    await greeted(port, 1)
    t.equal(seen(), 2, 'asks first, where nginx has no seat for it or not yet')
    await commit(put('upstreams/db', { policy: { retry: { tries: 1 } } }))
    const before = seen()
    await greeted(port, 10)
    t.equal(seen(), before + 10, 'where one try is all, none does')
  })

  t.test(`${kind}: policies, weights and limits hold for connections`, async (t) => {
    const [a, b, c] = [await startTcp(t, 'a'), await startTcp(t, 'b'), await startTcp(t, 'c')]
    const { commit, ports } = await setUpStream(t, kind)
    const [port = 0, limited = 0] = ports
    await commit(
      put('upstreams/turns', { policy: { balance: 'roundRobin' } }),
      ...[a, b, c].map((each) => instance('turns', each, { weight: each === a ? 2 : 1 })),
      put('routes/turns', { port, protocol: 'tcp', upstream: 'turns' }),
      put('upstreams/one', { policy: { balance: 'leastConn' } }),
      instance('one', a, { maxConns: 1 }),
      instance('one', b, { maxConns: 1 }),
      put('routes/one', { port: limited, protocol: 'tcp', upstream: 'one' }),
    )
    t.same(await greeted(port, 40), { a: 20, b: 10, c: 10 })
    const first = await openTcp(limited)
    const second = await openTcp(limited)
    t.same([await first.line(), await second.line()].sort(), ['a', 'b'], 'the least busy')
    t.same(await greeted(limited, 3), { '': 3 }, 'full')
    await first.end()
    await until(async () => Object.keys(await greeted(limited, 1))[0] !== '', {
      what: 'a place that is given back',
    })
    await second.end()
    await commit(put('upstreams/turns', { policy: { balance: 'ipHash' } }))
    t.equal(Object.keys(await greeted(port, 10)).length, 1, 'one client, one peer')
  })

  t.test(`${kind}: datagrams are shared out, and answered`, async (t) => {
    const [a, b] = [await startUdp(t, 'a'), await startUdp(t, 'b')]
    const { commit, gateway, ports } = await setUpStream(t, kind)
    const [port = 0] = ports
    t.equal(await askUdp(port, 'x', 200), '', 'without a route there is no answer')
    await commit(
      instance('dns', a),
      instance('dns', b),
      put('routes/dns', { port, protocol: 'udp', upstream: 'dns' }),
    )
    const answers: string[] = []
    for (let i = 0; i < 30; i++) {
      answers.push(await askUdp(port, `q${i}`))
    }
    t.same(
      answers.map((text) => text.slice(2)),
      answers.map((_, i) => `q${i}`),
    )
    t.same([...new Set(answers.map((text) => text[0]))].sort(), ['a', 'b'])
    await commit(drain('dns', a))
    for (let i = 0; i < 20; i++) {
      t.equal(await askUdp(port, `r${i}`), `b r${i}`)
    }
    const before = b.seen()
    const stop = await floodUdp(port, 5000)
    await until(() => b.seen() > before, { what: 'the datagrams of many clients' })
    const asked = Array.from({ length: 20 }, () => gateway.ask({ host: 'none.test' }))
    for (const answer of await Promise.all(asked)) {
      t.equal(answer.status, 404, 'HTTP goes on beside more UDP clients than nginx has room for')
    }
    stop()
  })
}

// Routes of connections that say how long they may be silent, and that instances learn who
// comes. Real nginx, real sockets.
import t from 'tap'
import type { Test } from 'tap'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startControlled } from '../../support/controlled.js'
import type { GatewayOptions, GatewayKind } from '../../../lab/nginx/gateway.js'
import { freePort } from '../../../lab/ports.js'
import { lineFor, lineOf, openProxied, openProxiedTls } from '../../support/proxied.js'
import { startTcp, startTls, startBehindProxy } from '../../../lab/backends/stream-backend.js'
import { greeted, openTcp, openTls } from '../../../lab/stream-client.js'
import type { StreamBackend } from '../../../lab/backends/stream-backend.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const proxied = { proxyProtocol: 'v1' }
const SILENT_MS = 1000
const silent = { timeouts: { idleMs: SILENT_MS } }

async function setUp(t: Test, kind: GatewayKind, more: Partial<GatewayOptions> = {}) {
  const [port, other, plain] = [await freePort(), await freePort(), await freePort()]
  const ports = { streamPorts: `${port} ${other} ${plain}`, tunedPorts: `${port} ${other}` }
  const options = { kind, passthrough: true, ...ports, settings: ports, ...more }
  const it = await startControlled(t, options)
  const done = async (method: string, path: string, body?: unknown): Promise<void> => {
    const answer = await it.call(method, path, body)
    t.match(answer, { status: /20[01]/, body: { applied: true } }, `${method} ${path}`)
  }
  await until(() => it.controller.stream().connected, { what: 'the link to stream{}' })
  const put = (upstream: string, { id, host, port }: StreamBackend) =>
    done('PUT', `/v1/upstreams/${upstream}/instances/${id}`, { host, port })
  const route = (id: string, body: object) => done('PUT', `/v1/routes/${id}`, body)
  return { ...it, done, put, route, port, other, plain, httpsPort: it.gateway.httpsPort }
}

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(`${kind}: instances learn who comes`, async (t) => {
    const { route, put, port, other, httpsPort, done, gateway } = await setUp(t, kind)
    const pem = await authority.issue(['db.test'])
    await put('db', await startBehindProxy(t, 'a'))
    await put('tls', await startBehindProxy(t, 'b', pem))
    await put('plain', await startTcp(t, 'p'))
    const before = await gateway.state()
    await route('db', { port, protocol: 'tcp', upstream: 'db', ...proxied })
    const client = await openTcp(port)
    const from = client.socket.localPort
    t.equal(
      await client.line(),
      `a PROXY TCP4 127.0.0.1 127.0.0.1 ${from} ${port}`,
      'before the client says anything',
    )
    client.socket.write('first\n')
    t.equal(await client.line(), 'first', 'what it says comes once, and unchanged')
    await client.end()

    await route('tls', { sni: ['db.test'], upstream: 'tls', ...proxied })
    const inside = await openTls(httpsPort, 'db.test')
    const seen = `b PROXY TCP4 127.0.0.1 127.0.0.1 ${inside.socket.localPort} ${httpsPort}`
    t.equal(await inside.line(), seen, 'TLS that is passed through')
    await inside.end()

    await route('plain', { port: other, protocol: 'tcp', upstream: 'plain' })
    await route('named', { sni: ['db.test'], port: other, upstream: 'tls', ...proxied })
    const named = await openTls(other, 'db.test')
    t.match(await named.line(), / PROXY TCP4 .* \d+$/, 'a name at a port')
    await named.end()
    const talker = await openTcp(other)
    talker.socket.write('no TLS\n')
    t.same([await talker.line(), await talker.line()], ['p', 'no TLS'], 'beside a route without')
    await talker.end()
    await done('DELETE', '/v1/routes/named')
    t.same(await greeted(other, 3), { p: 3 }, 'who is greeted first is so again')

    await route('db', { port, protocol: 'tcp', upstream: 'plain' })
    t.same(await greeted(port, 3), { p: 3 }, 'and without the header again')
    t.same((await gateway.state()).workers, before.workers, 'by the same workers')
    t.notMatch(gateway.errorLog(), /\[(emerg|alert|crit)\]|exception/)
  })

  t.test(`${kind}: what is silent is closed`, async (t) => {
    const { route, put, port, other, plain, httpsPort } = await setUp(t, kind)
    await put('db', await startTcp(t, 'a'))
    await put('told', await startBehindProxy(t, 'c'))
    await put('tls', await startTls(t, 'b', await authority.issue(['db.test'])))
    await route('db', { port, protocol: 'tcp', upstream: 'db', ...silent })
    await route('told', { port: other, protocol: 'tcp', upstream: 'told', ...silent, ...proxied })
    await route('tls', { sni: ['db.test'], upstream: 'tls', ...silent })
    await route('plain', { port: plain, protocol: 'tcp', upstream: 'db' })
    const busy = await openTcp(port)
    const patient = await openTcp(plain)
    const quiet = [await openTcp(port), await openTcp(other), await openTls(httpsPort, 'db.test')]
    const greetings = await Promise.all([...quiet, busy, patient].map((client) => client.line()))
    t.match(greetings, ['a', /^c PROXY/, 'b', 'a', 'a'])
    let said = 0
    const talk = setInterval(() => busy.socket.write(`${++said}\n`), SILENT_MS / 8)
    t.same(await Promise.all(quiet.map((client) => client.line())), ['', '', ''], 'closed')
    await until(() => said >= 20, { what: 'more than the silence that is allowed' })
    clearInterval(talk)
    for (let i = 1; i <= said; i++) {
      t.equal(await busy.line(), String(i))
    }
    patient.socket.write('still here\n')
    t.equal(await patient.line(), 'still here', 'a route without')
    await patient.end()
    t.equal(await busy.line(), '', 'and then this one too')
  })

  t.test(`${kind}: they are drained, counted and passed over as others are`, async (t) => {
    const it = await setUp(t, kind)
    const { route, put, port, other, done, controller } = it
    const [a, b] = [
      await startBehindProxy(t, 'a', undefined, '127.9.8.3'),
      await startBehindProxy(t, 'b'),
    ]
    for (const each of [a, b]) {
      await put('db', each)
    }
    const tuned = { ...proxied, timeouts: { idleMs: 60_000 } }
    await route('db', { port, protocol: 'tcp', upstream: 'db', ...tuned })
    const who = async (at = port) => {
      const client = await openTcp(at)
      const line = await client.line()
      await client.end()
      return line.slice(0, 1)
    }
    const many = async (n: number) => {
      const all: string[] = []
      for (let i = 0; i < n; i++) {
        all.push(await who())
      }
      return [...new Set(all)].sort()
    }
    t.same(await many(30), ['a', 'b'])
    const held = await openTcp(port)
    const busy = (await held.line()).startsWith('a') ? a : b
    const free = busy === a ? b : a
    const path = `/v1/upstreams/db/instances/${busy.id}`
    t.match(await it.call('POST', `${path}/drain`), { status: 200, body: { state: 'draining' } })
    t.same(await many(20), [free.id], 'no new connection while it drains')
    const active = async () => (await it.call('GET', path)).body.active
    await until(async () => (await active()) === 1, { what: 'one in flight' })
    held.socket.write('still here\n')
    t.equal(await held.line(), 'still here')
    await held.end()
    await until(async () => (await active()) === 0, { what: 'none in flight' })
    await done('POST', `${path}/undrain`)

    await done('PUT', '/v1/upstreams/db', {
      policy: { eject: { maxFails: 3, failTimeoutMs: 60_000 } },
    })
    await a.stop()
    const isEjected = () => /^ejected/.test(controller.conditionsOf('db').get('a')?.reason ?? '')
    await until(async () => (t.equal(await who(), 'b'), isEjected()), { what: 'an ejection' })
    await done('PUT', '/v1/upstreams/one', { policy: { balance: 'leastConn' } })
    await done('PUT', '/v1/upstreams/one/instances/b', { host: b.host, port: b.port, maxConns: 1 })
    await route('one', { port: other, protocol: 'tcp', upstream: 'one', ...tuned })
    const first = await openTcp(other)
    t.match(await first.line(), /^b /)
    t.equal(await who(other), '', 'full')
    await first.end()
    await until(async () => (await who(other)) === 'b', { what: 'a place that is given back' })
  })

  t.test(`${kind}: many at once, each to its own`, async (t) => {
    const { route, put, port, other } = await setUp(t, kind)
    await put('a', await startBehindProxy(t, 'a'))
    await put('b', await startBehindProxy(t, 'b'))
    await route('a', { port, protocol: 'tcp', upstream: 'a', ...proxied })
    await route('b', { port: other, protocol: 'tcp', upstream: 'b', ...proxied, ...silent })
    const ports = Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? port : other))
    const lines = await Promise.all(
      ports.map(async (at) => {
        const client = await openTcp(at)
        const from = client.socket.localPort
        const line = await client.line()
        await client.end()
        return [line, `${at === port ? 'a' : 'b'} PROXY TCP4 127.0.0.1 127.0.0.1 ${from} ${at}`]
      }),
    )
    t.same(
      lines.map(([line]) => line),
      lines.map(([, wanted]) => wanted),
    )
  })

  t.test(`${kind}: a route that changes all the time loses nobody`, async (t) => {
    const { route, put, port, httpsPort } = await setUp(t, kind)
    for (const id of ['a', 'b']) {
      await put('db', await startTcp(t, id))
    }
    await put('tls', await startTls(t, 'c', await authority.issue(['db.test'])))
    const ways = [{}, ...[60_000, 3_600_000].map((idleMs) => ({ timeouts: { idleMs } }))]
    const change = async (way: object) => {
      await route('db', { port, protocol: 'tcp', upstream: 'db', ...way })
      await route('tls', { sni: ['db.test'], upstream: 'tls', ...way })
    }
    await change({})
    let isOver = false
    const asking = async () => {
      const who: Record<string, number> = {}
      while (!isOver) {
        const plain = await openTcp(port)
        const inside = await openTls(httpsPort, 'db.test')
        for (const client of [plain, inside]) {
          const line = await client.line()
          who[line] = (who[line] ?? 0) + 1
          await client.end()
        }
      }
      return who
    }
    const clients = [asking(), asking(), asking()]
    for (let i = 1; i <= 30; i++) {
      await change(ways[i % ways.length] ?? {})
    }
    isOver = true
    for (const who of await Promise.all(clients)) {
      t.same(Object.keys(who).sort(), ['a', 'b', 'c'])
    }
  })

  t.test(`${kind}: a proxy's word is passed on`, async (t) => {
    const byProxy: GatewayOptions['proxied'] = ({ httpsPort }) => ({
      proxyProtocolPorts: `${httpsPort}`,
      trustedProxies: ['127.0.0.0/8'],
    })
    const { route, put, httpsPort } = await setUp(t, kind, { proxied: byProxy })
    await put('tls', await startBehindProxy(t, 'b', await authority.issue(['db.test'])))
    await route('tls', { sni: ['db.test'], upstream: 'tls', ...proxied })
    for (const [client, seen] of [
      ['203.0.113.7', `TCP4 203.0.113.7 127.0.0.1 4711 ${httpsPort}`],
      ['2001:db8::7', `TCP6 2001:db8::7 ::ffff:127.0.0.1 4711 ${httpsPort}`],
    ] as Array<[string, string]>) {
      const socket = openProxiedTls({ port: httpsPort, head: lineFor(client) }, 'db.test')
      t.equal(await lineOf(socket), `b PROXY ${seen}`)
      socket.destroy()
    }
  })
}

t.test('a port where proxies speak is tuned, one that is not set up for it is not', async (t) => {
  const [port, plain] = [await freePort(), await freePort()]
  const settings = { streamPorts: `${port} ${plain}` }
  const it = await startControlled(t, {
    ...{ kind: 'stable', streamPorts: settings.streamPorts, settings },
    proxied: () => ({ proxyProtocolPorts: `${port}`, trustedProxies: ['127.0.0.1/32'] }),
  })
  await until(() => it.controller.stream().connected, { what: 'the link to stream{}' })
  const backend = await startBehindProxy(t, 'a')
  const instance = { host: backend.host, port: backend.port }
  const route = { protocol: 'tcp', upstream: 'db', ...proxied }
  t.match(await it.call('PUT', '/v1/upstreams/db/instances/a', instance), { status: 201 })
  t.match(await it.call('PUT', '/v1/routes/db', { port, ...route }), { body: { applied: true } })
  const socket = openProxied({ port, head: lineFor('203.0.113.7') })
  t.equal(await lineOf(socket), `a PROXY TCP4 203.0.113.7 127.0.0.1 4711 ${port}`)
  socket.destroy()
  t.match(await it.call('PUT', '/v1/routes/no', { port: plain, ...route }), {
    status: 409,
    body: {
      field: 'proxyProtocol',
      detail: new RegExp(
        `\\(setting tunedPorts\\), and port ${plain} is not tuned: those are ${port}$`,
      ),
    },
  })
  // Another gateway's controller may have let it in.
  const value = JSON.stringify({ port: plain, ...route })
  const { revision } = await it.registry.commit([{ type: 'put', key: 'routes/no', value }])
  await until(() => it.controller.gateways().every(({ applied }) => applied >= revision))
  t.same(await greeted(plain, 2), { '': 2 }, 'closed, rather than served in another way')
  t.equal(backend.seen(), 1)
  const asked = (at: number) => it.call('GET', `/v1/explain?port=${at}`)
  t.match(await asked(port), { body: { outcome: 'served', why: [/tcp port/, /PROXY protocol/] } })
  t.match(await asked(plain), {
    body: { outcome: 'no_route', route: { id: 'no' }, why: [/tcp port/, /PROXY/, /tunedPorts/] },
  })
  t.match(await it.call('GET', '/v1/gateways'), {
    body: { gateways: [{ stream: { tuned: String(port) } }] },
  })
})

// TLS passed through by name, at the port where other names are terminated: all of Sluice, real
// certificates, real clients.
import { connect } from 'node:http2'
import t from 'tap'
import type { Test } from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { standing, startControlled } from '../../support/controlled.js'
import type { Gateway, GatewayKind } from '../../../lab/nginx/gateway.js'
import { cpuNs } from '../../../lab/load/processes.js'
import { freePort } from '../../../lab/ports.js'
import { startTcp, startTls } from '../../../lab/backends/stream-backend.js'
import { greeted as greetedAt, openTcp, openTls } from '../../../lab/stream-client.js'
import type { StreamBackend } from '../../../lab/backends/stream-backend.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { hello } from '../../../lab/tls-client.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const ca = authority.pem

const FILES = ['nginx.conf', 'sluice/http.conf', 'sluice/stream.conf', 'sluice/passthrough.conf']

async function setUp(t: Test, kind: GatewayKind) {
  const port = await freePort()
  const streamPorts = String(port)
  const options = { kind, passthrough: true, streamPorts, settings: { streamPorts } }
  const it = await startControlled(t, options)
  const done = async (method: string, path: string, body?: unknown): Promise<void> => {
    const answer = await it.call(method, path, body)
    t.match(answer, { status: /20[01]/, body: { applied: true } }, `${method} ${path}`)
  }
  await until(() => it.controller.stream().passthrough, { what: 'the link to stream{}' })
  return {
    ...it,
    done,
    port,
    put: (upstream: string, { id, host, port }: StreamBackend) =>
      done('PUT', `/v1/upstreams/${upstream}/instances/${id}`, { host, port }),
    /** Who greets inside of TLS for this name, over `n` connections; `cut` where nobody does. */
    greeted: async (
      name: string | undefined,
      n: number,
      at = it.gateway.httpsPort,
    ): Promise<Record<string, number>> => {
      const counts: Record<string, number> = {}
      for (let i = 0; i < n; i++) {
        const client = await openTls(at, name)
        const who = client.fingerprint === '' ? 'cut' : await client.line()
        counts[who] = (counts[who] ?? 0) + 1
        await client.end()
      }
      return counts
    },
    shown: async (name?: string): Promise<string> => {
      const client = await openTls(it.gateway.httpsPort, name)
      await client.end()
      return client.fingerprint
    },
  }
}

/** A request over HTTP/2, and what the upstream saw of it. */
function get(port: number, host: string): Promise<{ headers: Record<string, string> }> {
  return new Promise((resolve, reject) => {
    const session = connect(`https://127.0.0.1:${port}`, { ca, servername: host })
    session.once('error', reject)
    const stream = session.request({ ':path': '/', ':authority': host })
    let body = ''
    stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    stream.once('error', reject)
    stream.once('end', () => {
      session.close()
      resolve(JSON.parse(body) as { headers: Record<string, string> })
    })
  })
}

/** Processor time of the workers for a ClientHello of `size` bytes, each in a record of its own. */
async function costOf(gateway: Gateway, port: number, size: number): Promise<number> {
  const { workers } = await gateway.state()
  const message = (await hello({ servername: 'other.example' })).subarray(5)
  const padded = Buffer.concat([message, Buffer.alloc(size - message.length)])
  padded.writeUIntBE(size - 4, 1, 3)
  const records = Buffer.concat([...padded].map((byte) => Buffer.from([22, 3, 1, 0, 1, byte])))
  const spent = (): number => workers.reduce((sum, pid) => sum + cpuNs(pid), 0)
  let least = Infinity
  for (let round = 0; round < 3; round++) {
    const before = spent()
    for (let i = 0; i < 4; i++) {
      // The plain instance, to which names go that nobody has, says so when all of it was read.
      const client = await openTcp(port)
      client.socket.write(records)
      await client.line()
      await client.end()
    }
    least = Math.min(least, spent() - before)
  }
  return least
}

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(`${kind}: a name is passed through, drained, taken away`, async (t) => {
    const it = await setUp(t, kind)
    const { gateway, done, greeted, shown } = it
    const web = await startBackend(t, 'web')
    await done('PUT', '/v1/certificates/app', await authority.issue(['*.app.test', 'app.test']))
    const ours = await shown('app.test')
    await done('PUT', '/v1/upstreams/web/instances/w', { host: web.host, port: web.port })
    await done('PUT', '/v1/routes/web', { hosts: ['app.test', '*.app.test'], upstream: 'web' })
    const before = await standing(it, FILES)

    const pem = await authority.issue(['db.app.test'])
    const [a, b] = [await startTls(t, 'a', pem), await startTls(t, 'b', pem)]
    await it.put('db', a)
    await it.put('db', b)
    t.equal(await shown('db.app.test'), ours, 'terminated, as long as no route says otherwise')
    await done('PUT', '/v1/routes/db', { sni: ['db.app.test'], upstream: 'db' })
    const theirs = await shown('db.app.test')
    t.not(theirs, ours, "the certificate is the instance's own")
    t.equal(await shown('DB.app.test'), theirs)
    t.same(Object.keys(await greeted('db.app.test', 30)).sort(), ['a', 'b'])
    t.equal(await shown('app.test'), ours)
    t.equal(await shown('x.db.app.test'), await shown(), 'below it is another name')

    t.match(
      (await get(gateway.httpsPort, 'app.test')).headers,
      {
        'x-real-ip': '127.0.0.1',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'https',
        'x-forwarded-port': String(gateway.httpsPort),
      },
      'what is terminated is logged as ever',
    )

    const held = await openTls(gateway.httpsPort, 'db.app.test')
    const busy = (await held.line()) === 'a' ? a : b
    const free = busy === a ? b : a
    const drained = await it.call('POST', `/v1/upstreams/db/instances/${busy.id}/drain`)
    t.match(drained, { status: 200, body: { state: 'draining' } })
    t.same(await greeted('db.app.test', 20), { [free.id]: 20 }, 'no new connection')
    const path = `/v1/upstreams/db/instances/${busy.id}`
    await until(async () => (await it.call('GET', path)).body.active === 1, { what: 'one left' })
    held.socket.write('still here\n')
    t.equal(await held.line(), 'still here')
    await held.end()
    await until(async () => (await it.call('GET', path)).body.active === 0, { what: 'none left' })

    await done('DELETE', '/v1/routes/db')
    t.equal(await shown('db.app.test'), ours, 'terminated again')
    t.same(await standing(it, FILES), before, 'by the same workers and files')
  })

  t.test(`${kind}: which name, and which peer`, async (t) => {
    const { done, put, greeted, shown, gateway, controller } = await setUp(t, kind)
    const start = async (id: string) => startTls(t, id, await authority.issue([`${id}.test`]))
    const [exact, near, far] = [await start('exact'), await start('near'), await start('far')]
    for (const each of [exact, near, far]) {
      await put(each.id, each)
    }
    await done('PUT', '/v1/routes/exact', { sni: ['a.b.test'], upstream: 'exact' })
    await done('PUT', '/v1/routes/near', { sni: ['*.b.test'], upstream: 'near' })
    await done('PUT', '/v1/routes/far', { sni: ['.test'], upstream: 'far' })
    t.same(await greeted('a.b.test', 1), { exact: 1 })
    t.same(await greeted('x.b.test', 1), { near: 1 })
    t.same(await greeted('x.y.b.test', 1), { near: 1 })
    t.same(await greeted('c.test', 1), { far: 1 })
    t.same(await greeted('test', 1), { far: 1 }, 'a dot before it means the name too')
    const ours = await shown()
    for (const name of ['*.b.test', '=a.b.test', 'a.b.test/1', '.b.test']) {
      t.equal(await shown(name), ours, `${name} is no host's name, so no key of the table`)
    }
    const long = `${'x'.repeat(62)}.`.repeat(4).slice(0, 248) + '.test'
    await done('PUT', '/v1/routes/exact', { sni: [long], upstream: 'exact' })
    t.same(await greeted(long, 1), { exact: 1 }, 'as long as a name can be')

    const said = await hello({ servername: 'x.b.test' })
    const slow = await openTcp(gateway.httpsPort)
    const answered = new Promise<Buffer>((resolve) => slow.socket.once('data', resolve))
    slow.socket.write(said.subarray(0, 30))
    await new Promise((resolve) => setTimeout(resolve, 50))
    slow.socket.write(said.subarray(30))
    await answered
    t.equal(near.open(), 1, 'what comes in parts is waited for')
    await slow.end()

    await done('PUT', '/v1/routes/none', { sni: ['none.test'], upstream: 'nobody' })
    t.same(await greeted('none.test', 2), { cut: 2 }, 'no instance')
    // An address of its own: on 127.0.0.1 somebody else may get the port once it is free.
    const dead = await startTls(t, 'dead', await authority.issue(['dead.test']), '127.9.8.6')
    await done('PUT', '/v1/upstreams/near', { policy: { eject: { maxFails: 0 } } })
    await put('near', dead)
    const isSeated = async () => {
      const before = near.seen() + dead.seen()
      await greeted('x.b.test', 10)
      return near.seen() + dead.seen() - before === 10
    }
    if (kind !== 'stable') {
      await until(isSeated, { what: 'instances that are not asked first', deadlineMs: 30_000 })
    }
    await dead.stop()
    t.same(await greeted('x.b.test', 60), { near: 60 }, 'who does not answer is passed over')
    t.match(controller.gateways(), [{ stream: { passthrough: true } }])
    t.notMatch(gateway.errorLog(), /\[(emerg|alert|crit)\]/)
  })

  t.test(`${kind}: names at a port of its own`, async (t) => {
    const { done, put, greeted, shown, gateway, port } = await setUp(t, kind)
    const pem = await authority.issue(['a.test'])
    const [a, b] = [await startTls(t, 'a', pem), await startTls(t, 'b', pem)]
    const plain = await startTcp(t, 'plain')
    for (const each of [a, b]) {
      await put(each.id, each)
    }
    await put('db', plain)
    await done('PUT', '/v1/routes/db', { port, protocol: 'tcp', upstream: 'db' })
    t.same(await greetedAt(port, 2), { plain: 2 })
    await done('PUT', '/v1/routes/a', { sni: ['a.test'], port, upstream: 'a' })
    await done('PUT', '/v1/routes/b', { sni: ['*.test'], port, upstream: 'b' })
    t.same(await greeted('a.test', 5, port), { a: 5 })
    t.same(await greeted('b.test', 5, port), { b: 5 })
    t.same(await greeted('*.test', 1, port), { cut: 1 }, "no host's name: it is the port's")
    t.equal(await shown('a.test'), await shown(), 'not at the HTTPS port')
    const talker = await openTcp(port)
    talker.socket.write('I speak no TLS\n')
    t.equal(await talker.line(), 'plain', "what has none of the names is the port's")
    t.equal(await talker.line(), 'I speak no TLS')
    await talker.end()
    const [short, long] = [await costOf(gateway, port, 600), await costOf(gateway, port, 2400)]
    t.ok(long < 6 * short, `small records: ${(long / short).toFixed(1)} for four times as many`)
    await done('DELETE', '/v1/routes/db')
    t.same(await greeted('other', 2, port), { cut: 2 }, 'and nobody serves it without')
    t.same(await greeted(undefined, 2, port), { cut: 2 })
    await done('DELETE', '/v1/routes/a')
    t.same(await greeted('a.test', 5, port), { b: 5 })
    await done('DELETE', '/v1/routes/b')
    await done('PUT', '/v1/routes/db', { port, protocol: 'tcp', upstream: 'db' })
    t.same(await greetedAt(port, 2), { plain: 2 }, 'who is greeted first is so again')
    t.notMatch(gateway.errorLog(), /\[(emerg|alert|crit)\]|exception/)
  })
}

// gRPC: a real client and real servers, with a real nginx between them, all rigs.
import { once } from 'node:events'
import { connect as connectHttp2, createServer } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import t from 'tap'
import { actionOf } from '../../../contract/record/route-action.js'
import { guardRoute } from '../../../contract/record/route.js'
import { refusingAddress, startBackend, startFaultyBackend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { GrpcClient, startGrpcBackend } from '../../../lab/backends/grpc.js'
import type { GrpcBackend, Name } from '../../../lab/backends/grpc.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { actionUnit, hostUnit, ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { freePort } from '../../../lab/ports.js'
import { askH2 } from '../../support/raw-h2.js'
import { routeUnits } from '../../support/route-units.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const HOST = 'echo.test'
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const UNAVAILABLE = 14
const UNIMPLEMENTED = 12

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const right = await ours.issue(['echo.internal'])
const misnamed = await ours.issue(['else.internal'])

/** A server that takes gRPC without TLS, and headers with underscores, as some want it. */
const h2c = (port: number) => `server {
    listen 127.0.0.1:${port};
    http2 on;
    underscores_in_headers on;
    client_max_body_size 1;
    include "$HOME/sluice/grpc.conf";
}`

function echoUnit(backends: Array<GrpcBackend & { up?: boolean }>, more = {}) {
  const ids = backends.filter(({ up = true }) => up).map(({ id }) => id)
  return ruledUnit('echo', backends, { balance: 'r', protocol: 'grpc', ...more }, { main: ids })
}

/** An instance that pretends to be the hop, before its answer and behind it. */
async function startForger(t: { teardown(fn: () => unknown): void }) {
  const names = ['x-sluice-peer', 'x_sluice_peer', 'x-sluice_peer', 'x_sluice-peer']
  const forged = Object.fromEntries(names.map((name) => [name, 'other forged 9']))
  const server = createServer()
  server.on('stream', (stream) => {
    const begin = { ':status': 200, 'content-type': 'application/grpc', ...forged }
    stream.respond(begin, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', ...forged }))
    stream.on('error', () => undefined).end()
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { id: 'f1', address: `127.0.0.1:${port}` }
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf: h2c, trustedCa: ours.pem, streamPorts: '' })
    const [a, b] = await Promise.all([startGrpcBackend(t, 'a'), startGrpcBackend(t, 'b')])
    const plain = await startBackend(t, 'plain')
    await gateway.fillPool(plain.address)
    const client = new GrpcClient(t, gateway.httpsPort, HOST)
    const toEcho = hostUnit(HOST, [['/', ':echo']])
    await gateway.setTable(echoUnit([a]), toEcho)

    t.test('unary calls and streams in both directions pass whole', async (t) => {
      const ended = { code: 0, details: '', begin: 'a', end: 'a' }
      const clear = new GrpcClient(t, gateway.userPort, HOST, { plain: true })
      for (const each of [client, clear]) {
        t.match(await each.call('Say', ['hello']), { ...ended, details: 'OK', texts: ['a: hello'] })
        const large = 'x'.repeat(1_000_000)
        t.match(await each.call('Say', [large]), { texts: ['a: 1000000'] })
        const texts = Array.from({ length: 300 }, (_, i) => `message ${i}`)
        const sum = texts.join('').length
        t.match(await each.call('Collect', texts), { texts: [`a: 300 ${sum}`], end: 'a' })
        t.match(await each.call('Words', [texts.join(' ')]), { end: 'a' })
        t.match(await each.call('Chat', texts.slice(0, 20), { byTurns: true }), {
          texts: texts.slice(0, 20),
          end: 'a',
        })
      }
    })

    t.test('a status of the server', async (t) => {
      const called = await client.call('Say', ['status 9'])
      t.match(called, { code: 9, details: 'as you said', end: 'a' })
    })

    t.test('what the server gets to know of a call', async (t) => {
      await client.call('Say', ['hello'], { metadata: { 'x-own': 'mine', 'x-sluice-pick': 'own' } })
      t.match(a.calls.at(-1), {
        path: '/test.Echo/Say',
        authority: HOST,
        metadata: {
          'x-own': 'mine',
          'x-forwarded-for': '127.0.0.1',
          'x-forwarded-proto': 'https',
          'x-sluice-pick': undefined,
        },
      })
    })

    t.test('no spelling of our headers counts, of clients or of instances', async (t) => {
      const forged = hostUnit('forged.test', [['/', ':forged']])
      const forger = await startForger(t)
      const other = ruledUnit('forged', [forger], { protocol: 'grpc' }, { main: ['f1'] })
      const [secret, unseen] = [hostUnit('secret.test', [['/', ':unseen']]), [{ ...b, id: 'u1' }]]
      const hidden = ruledUnit('unseen', unseen, { protocol: 'grpc' }, { main: ['u1'] })
      await gateway.setTable(echoUnit([a]), toEcho, forged, other, secret, hidden)
      const clear = new GrpcClient(t, gateway.userPort, HOST, { plain: true })
      for (const name of ['x_sluice_pick', 'x-sluice_pick', 'x_sluice-pick']) {
        for (const pick of ['@secret.test/1', ':unseen/1', ', :unseen/1']) {
          const metadata = { [name]: pick, x_own: 'mine' }
          t.match(await clear.call('Say', ['hello'], { metadata }), { texts: ['a: hello'] }, name)
          t.match(a.calls.at(-1)?.metadata, { x_own: 'mine', [name]: undefined })
        }
      }
      const about = ['real_ip', 'forwarded_for', 'forwarded-proto', 'forwarded_host', 'accel_x']
      const claims = about.map((name): [string, string] => [`x_${name}`, '6.6.6.6'])
      await clear.call('Say', ['hello'], { metadata: Object.fromEntries(claims) })
      t.same(
        Object.keys(a.calls.at(-1)?.metadata ?? {}).filter((name) => name.startsWith('x_')),
        ['x_accel_x'],
        'what is not ours passes',
      )
      t.equal(b.calls.length, 0)
      for (const port of [gateway.userPort, gateway.httpsPort]) {
        const plain = port === gateway.userPort
        await new GrpcClient(t, port, 'forged.test', { plain }).call('Say', ['forged'])
      }
      const lines = await until(() => {
        const found = gateway.accessLog().filter(({ host }) => host === 'forged.test')
        return found.length === 2 ? found : undefined
      })
      for (const line of lines) {
        t.match(line, { upstream: 'forged', instance: 'f1', tries: 1, address: forger.address })
      }
    })

    t.test('no header of a connection reaches an instance, nor ejects it', async (t) => {
      const acting = { responseHeaders: { set: { 'x-a': 'b' } } }
      await gateway.setTable(echoUnit([a]), toEcho, ...routeUnits('acting', ':echo', acting))
      const events = async () => (await gateway.admin('GET', '/events?from=0')).body
      const before = await events()
      const names = ['proxy-connection', 'keep-alive', 'http2-settings', 'te', 'connection']
      const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 5]), Buffer.from('hello')])
      for (const authority of [HOST, 'acting.test']) {
        for (const sent of [...names, 'upgrade'].map((name) => [name]).concat([names])) {
          const seen = a.calls.length
          const lines: Array<[string, string]> = [
            [':method', 'POST'],
            [':scheme', 'http'],
            [':path', '/test.Echo/Say'],
            [':authority', authority],
            ['content-type', 'application/grpc'],
            ['x-own', 'mine'],
            ...sent.map((name): [string, string] => [name, 'trailers, x-own']),
          ]
          t.equal(
            await askH2(gateway.userPort, lines, message),
            'answered',
            `${authority} ${sent.join()}`,
          )
          t.match(a.calls.slice(seen), [{ metadata: { 'x-own': 'mine' } }])
          const got = Object.keys(a.calls.at(-1)?.metadata ?? {})
          t.same(
            got.filter((name) => names.includes(name)),
            [],
          )
        }
      }
      t.equal(await events(), before)
    })

    t.test('metadata of 6,000 bytes pass both ways', async (t) => {
      const metadata = { 'x-echo': 'x'.repeat(6000) }
      const clear = new GrpcClient(t, gateway.userPort, HOST, { plain: true })
      for (const each of [client, clear]) {
        t.match(await each.call('Say', ['hello'], { metadata }), { code: 0, texts: ['a: hello'] })
      }
      t.match(a.calls.at(-1), { metadata })
    })

    t.test('what the front itself refuses is a status of gRPC, too', async (t) => {
      const paths = ['/inner', '/'].map((path): [string, string] => [path, ':echo'])
      await gateway.setTable(echoUnit([a]), hostUnit(HOST, paths))
      const before = a.calls.length
      const refused = async (port: number, path: string, type: string, more = {}) => {
        const scheme = port === gateway.userPort ? 'http' : 'https'
        const target = `${scheme}://127.0.0.1:${port}`
        const session = connectHttp2(target, { rejectUnauthorized: false })
        session.on('error', () => undefined)
        const asked = { ':method': 'POST', ':path': path, ':authority': HOST, 'content-type': type }
        const stream = session.request({ ...asked, ...more })
        stream.on('error', () => undefined).write(Buffer.alloc(5))
        const answered = once(stream, 'response') as Promise<[IncomingHttpHeaders]>
        const [headers] = await answered
        session.destroy()
        return [headers[':status'], headers['content-type'], headers['grpc-status']]
      }
      const call = 'application/grpc'
      const long = { 'content-length': '500000000' }
      for (const port of [gateway.userPort, gateway.httpsPort]) {
        const parent = await refused(port, '/inner/../test.Echo/Say', call)
        t.same(parent, [200, call, `${INVALID_ARGUMENT}`])
        const large = await refused(port, '/test.Echo/Say', call, long)
        t.same(large, [200, call, `${RESOURCE_EXHAUSTED}`])
        const plainly = await refused(port, '/test.Echo/Say', 'text/plain', long)
        t.same(plainly, [413, 'text/html', undefined], 'what is no call has its status')
      }
      const metadata = { 'x-large': 'x'.repeat(40_000) }
      const clear = new GrpcClient(t, gateway.userPort, HOST, { plain: true })
      for (const each of [new GrpcClient(t, gateway.httpsPort, HOST), clear]) {
        t.match(await each.call('Say', ['hello'], { metadata }), { code: RESOURCE_EXHAUSTED })
      }
      t.equal(a.calls.length, before)
      await gateway.setTable(echoUnit([a]), toEcho)
    })

    t.test('an instance that refuses: another one', async (t) => {
      const dead = { ...a, id: 'dead', address: await refusingAddress() }
      await gateway.setTable(echoUnit([dead, b]), toEcho)
      for (let i = 0; i < 6; i++) {
        t.match(await client.call('Say', [`${i}`]), { code: 0, texts: [`b: ${i}`] })
      }
      for (let i = 0; i < 6; i++) {
        const called = await client.call('Collect', ['one', 'two'], { pauseMs: 30 })
        t.match(called, { texts: ['b: 2 6'] }, 'though its body comes later')
      }
      const { retried = 0 } = await gateway.counters()
      t.ok(retried >= 6, `${retried} were tried again`)
      const waiting = { ...dead, id: 'other', address: await refusingAddress() }
      await gateway.setTable(echoUnit([dead, waiting, a]), toEcho)
      for (let i = 0; i < 6; i++) {
        t.match(await client.call('Say', ['hello']), { texts: ['a: hello'] }, 'two that refuse')
      }
      await gateway.setTable(echoUnit([dead]), toEcho)
      t.match(await client.call('Say', ['hello']), {
        code: UNAVAILABLE,
        details: 'No instance of echo answered',
      })
    })

    t.test('connections to instances are kept open', async (t) => {
      const dead = { ...a, id: 'dead', address: await refusingAddress() }
      await gateway.fillKept(a.address, b.address, dead.address)
      const serve = async (backends: Array<Pick<GrpcBackend, 'id' | 'address'>>, more = {}) => {
        const kept = backends.map(({ id, address }) => ({ id, address, pooled: gateway.pool }))
        const rules = { balance: 'w', protocol: 'grpc', kept: gateway.pool, ...more } as const
        const slots = gateway.pool && rules.balance === 'w' ? { kept: '_grpc ' } : {}
        const unit = ruledUnit('echo', kept, rules, { main: kept.map(({ id }) => id), ...slots })
        await gateway.setTable(unit, hostUnit(HOST, [['/', ':echo']], unit))
      }
      const call = (n: number) =>
        n % 2
          ? client.call('Say', ['hello'])
          : client.call('Collect', ['one', 'two'], { pauseMs: 5 })
      for (const more of [{}, { balance: 'r' }]) {
        await serve([a, b], more)
        const from = [a.calls.length, b.calls.length]
        for (let i = 0; i < 24; i++) {
          t.match(await call(i), { code: 0, texts: [/^[ab]: (hello|2 6)$/] })
        }
        const calls = [a, b].map(({ calls: all }, i) => all.slice(from[i]))
        t.ok(calls.every(({ length }) => length > 0))
        const used = new Set(calls.flat().map(({ peer }) => peer)).size
        t.ok(used <= (gateway.pool ? 6 : 24), `${used} connections`)
      }
      for (const more of [{}, { method: 'POST', body: 'x' }]) {
        t.equal((await gateway.ask({ host: HOST, ...more })).status, 415, 'what is no call')
      }
      await serve([dead, b])
      for (let i = 0; i < 8; i++) {
        t.match(await call(i), { code: 0, texts: [/^b: (hello|2 6)$/] })
      }
      await gateway.fillKept(dead.address)
      await serve([b])
      for (let i = 0; i < 4; i++) {
        t.match(await call(i), { code: 0 }, 'whom the pool does not have')
      }
      await gateway.fillKept(a.address)
      await serve([a])
      const stream = client.open('Chat')
      const ended = once(stream, 'status')
      stream.on('data', () => undefined).write(Buffer.from('one'))
      await until(async () => (await gateway.active(sidOfAddress(a.address))) === 1)
      stream.end()
      t.match(await ended, [{ code: 0 }])
      await until(async () => (await gateway.active(sidOfAddress(a.address))) === 0)
      await gateway.setTable(echoUnit([a]), toEcho)
    })

    t.test('a call that ends a connection is the fault of no instance', async (t) => {
      const resets = await Promise.all([1, 2].map(() => startFaultyBackend(t, 'reset')))
      const closing = resets.map(({ address }, i) => ({ ...a, id: `closing${i}`, address }))
      const failures = async (): Promise<string[]> => {
        const { events } = (await gateway.admin('GET', '/events?from=0')).json as {
          events: string[]
        }
        return events.filter((each) => each.startsWith('f'))
      }
      await gateway.setTable(echoUnit(closing), toEcho)
      const before = await failures()
      for (let i = 0; i < 4; i++) {
        const called = await client.call('Say', ['hello'])
        t.equal(called.code, UNAVAILABLE)
      }
      t.ok(resets.reduce((sum, { hits }) => sum + hits(), 0) >= 4)
      t.same(await failures(), before)
      const dead = { ...a, id: 'dead', address: await refusingAddress() }
      await gateway.setTable(echoUnit([dead]), toEcho)
      t.equal((await client.call('Say', ['hello'])).code, UNAVAILABLE)
      t.same(await failures(), [...before, `f${sidOfAddress(dead.address)}`], 'but who refuses is')
    })

    t.test('a route changes calls as it says, and refuses what gRPC cannot have', async (t) => {
      const acting = async (fields: object, method: Name = 'Say', texts = ['hello']) => {
        const checked = guardRoute({ hosts: [HOST], upstream: 'echo', ...fields })
        if (!checked.ok) {
          throw new Error(`${checked.field} ${checked.message}`)
        }
        const { pathPrefix: prefix } = checked.value
        const action = actionOf(checked.value) ?? {}
        const host = hostUnit(HOST, [[prefix, '&acting']])
        const route = actionUnit('acting', { target: ':echo', prefix, action })
        await gateway.setTable(echoUnit([a]), host, route)
        return client.call(method, texts)
      }
      const set = { 'served-by': 'the route' }
      t.match(await acting({ responseHeaders: { set } }), { code: 0, begin: 'the route', end: 'a' })
      const texts = ['one', 'two']
      t.match(await acting({ upstreamHost: 'inner.test' }, 'Chat', texts), { code: 0, texts })
      t.equal(a.calls.at(-1)?.authority, 'inner.test')
      const rewrite = { replacePrefix: '/test.Echo/Words' }
      t.match(await acting({ pathPrefix: '/test.Echo/Say', rewrite }, 'Say', ['two words']), {
        texts: ['two', 'words'],
        end: 'a',
      })
      const before = a.cancelled()
      t.match(await acting({ timeouts: { readMs: 1000 } }, 'Say', ['wait']), {
        code: DEADLINE_EXCEEDED,
        details: 'The upstream was silent for too long',
      })
      await until(() => a.cancelled() === before + 1, { what: 'the call to be cancelled' })
      const maintenance = { status: 503, body: '<p>Soon' }
      t.match(await acting({ maintenance }), {
        code: UNAVAILABLE,
        details: 'This route is under maintenance',
      })
      a.calls.length = 0
      const refused = {
        redirect: { scheme: 'https', status: 301 },
        requestHeaders: { set: { 'x-a': 'b' } },
        maxBodyBytes: 1,
        mirror: { upstream: 'echo', percent: 1 },
        buffering: true,
      }
      for (const [field, value] of Object.entries(refused)) {
        const upstream = field === 'redirect' ? undefined : 'echo'
        t.match(await acting({ upstream, [field]: value }), {
          code: UNIMPLEMENTED,
          details: `This route has ${field}, which nginx cannot do with gRPC`,
        })
      }
      t.equal(a.calls.length, 0)
    })

    t.test('what is in flight is counted, and finishes', async (t) => {
      await gateway.setTable(echoUnit([a]), toEcho)
      const stream = client.open('Chat')
      const texts: string[] = []
      stream.on('data', (message: Buffer) => texts.push(message.toString()))
      const ended = once(stream, 'status')
      stream.write(Buffer.from('one'))
      await until(() => texts.length === 1)
      t.equal(await gateway.active(sidOfAddress(a.address)), 1)
      await gateway.setTable(echoUnit([{ ...a, up: false }]), toEcho)
      t.match(await client.call('Say', ['hello']), { code: UNAVAILABLE })
      stream.write(Buffer.from('two'))
      await until(() => texts.length === 2)
      stream.end()
      t.match(await ended, [{ code: 0 }])
      t.same(texts, ['one', 'two'])
      await until(async () => (await gateway.active(sidOfAddress(a.address))) === 0)
    })

    t.test('a call that its client gives up', async (t) => {
      await gateway.setTable(echoUnit([a]), toEcho)
      const before = a.cancelled()
      const called = await client.call('Say', ['wait'], { deadlineMs: 200 })
      t.equal(called.code, DEADLINE_EXCEEDED)
      await until(() => a.cancelled() === before + 1, { what: 'the instance to hear of it' })
      await until(async () => (await gateway.active(sidOfAddress(a.address))) === 0)
    })

    t.test('over TLS only the instance that is verified serves', async (t) => {
      const [secure, wrong] = await Promise.all([
        startGrpcBackend(t, 'secure', right),
        startGrpcBackend(t, 'wrong', misnamed),
      ])
      const serve = (tls: string) => gateway.setTable(echoUnit([wrong, secure], { tls }), toEcho)
      await serve('verified:echo.internal')
      // A handshake comes after the connection: unless all of the call is there by then, it is not
      // tried again.
      for (let i = 0; i < 8; i++) {
        const { code, texts } = await client.call('Say', ['hello'])
        t.match(
          { code, texts },
          texts.length === 0 ? { code: UNAVAILABLE } : { texts: ['secure: hello'] },
        )
      }
      t.equal(wrong.calls.length, 0)
      await serve('any:')
      await Promise.all([1, 2].map(() => client.call('Chat', ['hello'])))
      t.equal(wrong.calls.length, 1)
    })

    t.test('a call that goes on is refused at once', async (t) => {
      const down = echoUnit([{ ...a, up: false }])
      const closed = routeUnits('closed', ':echo', { maintenance: {} })
      await gateway.setTable(down, toEcho, ...closed)
      for (const [host, expected] of [
        ['none.test', UNIMPLEMENTED],
        [HOST, UNAVAILABLE],
        ['closed.test', UNAVAILABLE],
      ] as const) {
        const stream = new GrpcClient(t, gateway.httpsPort, host).open('Collect')
        stream.on('error', () => undefined).on('data', () => undefined)
        const ended = new Promise<{ code: number; details: string }>((resolve) =>
          stream.on('status', resolve),
        )
        stream.write(Buffer.from('one of many'))
        const { code, details } = await ended
        t.equal(code, expected, `${host}: ${details}`)
        stream.cancel()
      }
    })

    t.test('what Sluice answers itself is a status of gRPC', async (t) => {
      await gateway.setTable(
        ...[
          echoUnit([{ ...a, up: false }]),
          upstreamUnit('plain', [{ ...plain, pooled: gateway.pool }]),
          toEcho,
        ],
        hostUnit('plain.test', [['/', ':plain']]),
      )
      const said = async (host: string) => {
        const { code, details } = await new GrpcClient(t, gateway.httpsPort, host).call('Say', [
          'x',
        ])
        return [code, details]
      }
      t.same(await said(HOST), [UNAVAILABLE, 'No instance of echo is up'])
      t.same(await said('other.test'), [UNIMPLEMENTED, 'No route leads from host other.test'])
      t.same(await said('plain.test'), [UNIMPLEMENTED, 'Upstream plain does not speak gRPC'])
      t.equal(plain.ledger.length, 0)
      await gateway.setTable(echoUnit([a]), toEcho)
      a.calls.length = 0
      const { status, body } = await gateway.ask({ host: HOST })
      t.same([status, body], [415, '415 Upstream echo speaks gRPC, and nothing else\n'])
      t.equal(a.calls.length, 0)
    })
  })
}

// gRPC: a real client and real servers, with a real nginx between them, all rigs.
import t from 'tap'
import { refusingAddress, startBackend } from '../support/backend.js'
import { makeAuthority } from '../support/certificates.js'
import { RIGS, startGateway } from '../support/gateway.js'
import { GrpcClient, startGrpcBackend } from '../support/grpc.js'
import type { GrpcBackend } from '../support/grpc.js'
import { hostUnit, ruledUnit, upstreamUnit } from '../support/table.js'
import { temporaryFolder } from '../support/temp.js'

t.setTimeout(170_000)

const HOST = 'echo.test'
const UNAVAILABLE = 14
const UNIMPLEMENTED = 12

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const right = await ours.issue(['echo.internal'])
const misnamed = await ours.issue(['else.internal'])

/** A server that takes gRPC without TLS. */
const h2c = (port: number) => `server {
    listen 127.0.0.1:${port};
    http2 on;
    client_max_body_size 1;
    include "$HOME/sluice/grpc.conf";
}`

function echoUnit(backends: Array<GrpcBackend & { up?: boolean }>, more = {}) {
  const ids = backends.filter(({ up = true }) => up).map(({ id }) => id)
  return ruledUnit('echo', backends, { balance: 'r', grpc: true, ...more }, { main: ids })
}

for (const rig of RIGS) {
  t.test(rig, async (t) => {
    const gateway = await startGateway(t, { rig, conf: h2c, trustedCa: ours.pem })
    const [a, b] = await Promise.all([startGrpcBackend(t, 'a'), startGrpcBackend(t, 'b')])
    const plain = await startBackend(t, 'plain')
    await gateway.fillPool(plain.address)
    const client = new GrpcClient(t, gateway.httpsPort, HOST)
    const toEcho = hostUnit(HOST, [['/', ':echo']])
    await gateway.setTable(echoUnit([a]), toEcho)

    t.test('each kind of call', async (t) => {
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

    t.test('what the server is told', async (t) => {
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

    t.test('an instance that refuses: another one', async (t) => {
      const dead = { ...a, id: 'dead', address: await refusingAddress() }
      await gateway.setTable(echoUnit([dead, b]), toEcho)
      let answered = 0
      for (let i = 0; i < 20; i++) {
        // A call whose message comes a moment after its head cannot be sent again either.
        const { code, texts } = await client.call('Say', [`${i}`])
        t.same([code, texts], texts.length > 0 ? [0, [`b: ${i}`]] : [UNAVAILABLE, []])
        answered += texts.length
      }
      t.ok(answered > 0)
      for (let i = 0; i < 6; i++) {
        // Some of it comes later, and nginx could not pass that on: nothing of it was sent to the first one.
        const { code, texts } = await client.call('Collect', ['one', 'two'], { pauseMs: 30 })
        t.same([code, texts], texts.length > 0 ? [0, ['b: 2 6']] : [UNAVAILABLE, []])
      }
      await gateway.setTable(echoUnit([dead]), toEcho)
      t.match(await client.call('Say', ['hello']), {
        code: UNAVAILABLE,
        details: 'No instance of echo answered',
      })
    })

    t.test('over TLS', async (t) => {
      const [secure, wrong] = await Promise.all([
        startGrpcBackend(t, 'secure', right),
        startGrpcBackend(t, 'wrong', misnamed),
      ])
      const serve = (tls: string) => gateway.setTable(echoUnit([wrong, secure], { tls }), toEcho)
      await serve('verified:echo.internal')
      for (let i = 0; i < 4; i++) {
        const { code, texts } = await client.call('Say', ['hello'])
        t.same([code, texts], texts.length > 0 ? [0, ['secure: hello']] : [UNAVAILABLE, []])
      }
      t.equal(wrong.calls.length, 0)
      await serve('any:')
      await Promise.all([1, 2].map(() => client.call('Chat', ['hello'])))
      t.equal(wrong.calls.length, 1)
    })

    t.test('the statuses of Sluice', async (t) => {
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

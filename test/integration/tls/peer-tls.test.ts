// Upstreams over TLS: real certificates, real nginx, all rigs.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { applied } from '../../support/applied.js'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { testSettings } from '../../support/control.js'
import { holdEcho } from '../../support/upgrade.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { hostUnit, ruledUnit, splitUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const HOST = 'shop.test'
const VERIFIED = 'verified:shop.internal'

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const others = await makeAuthority(temporaryFolder(t, 'ca'))
const right = await ours.issue(['shop.internal'])
const misnamed = await ours.issue(['cart.internal', 'IP:127.0.0.1'])
const foreign = await others.issue(['shop.internal'])

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, trustedCa: ours.pem })
    const start = (id: string, pem = right): Promise<Backend> =>
      startBackend(t, id, '127.0.0.1', pem)
    const [a, b] = await Promise.all([start('a'), start('b')])
    const [wrong, alien] = await Promise.all([start('wrong', misnamed), start('alien', foreign)])
    const plain = await startBackend(t, 'plain')
    await gateway.fillPool(plain.address)
    const unitOf = (tls: string, backends: Backend[], more = {}): Map<string, string> =>
      ruledUnit(
        'shop',
        backends,
        { balance: 'r', tls, ...more },
        { main: backends.map(({ id }) => id) },
      )
    const serve = (tls: string, backends: Backend[], more = {}): Promise<void> =>
      gateway.setTable(unitOf(tls, backends, more), hostUnit(HOST, [['/', ':shop']]))
    const ask = (more = {}) => gateway.ask({ host: HOST, ...more })
    const who = async (times: number, more = {}): Promise<Record<string, number>> => {
      const counts: Record<string, number> = {}
      for (let i = 0; i < times; i++) {
        const { status, json } = await ask(more)
        const id = status === 200 ? (json as { id: string }).id : String(status)
        counts[id] = (counts[id] ?? 0) + 1
      }
      return counts
    }

    t.test('by the name in its settings, with the host of the request', async (t) => {
      await serve(VERIFIED, [a, b])
      t.same(await who(6), { a: 3, b: 3 })
      t.match(a.ledger.at(-1), { serverName: 'shop.internal', headers: { host: HOST } })
      const log = gateway.accessLog
      await until(() =>
        log().some(({ upstream, instance }) => upstream === 'shop' && instance === 'a'),
      )
    })

    t.test(
      'a certificate for another name, or by somebody unknown: another instance',
      async (t) => {
        await serve(VERIFIED, [wrong, a, alien])
        t.same(await who(6), { a: 6 })
        const body = 'x'.repeat(100_000)
        t.same(await who(6, { method: 'POST', body }), { a: 6 }, 'nothing was sent to the others')
        t.equal(a.ledger.at(-1)?.bytes, body.length)
        t.same([wrong.ledger, alien.ledger], [[], []])
        t.match(gateway.errorLog(), /certificate does not match "shop\.internal"/)
        t.match(gateway.errorLog(), /certificate verify error/)
        const { retried = 0 } = await gateway.counters()
        t.ok(retried >= 8, `${retried} were tried again`)
      },
    )

    t.test('nobody with a right one', async (t) => {
      await serve(VERIFIED, [wrong, alien, plain])
      const { status, body } = await ask()
      t.equal(status, 502)
      t.equal(body, '502 No instance of shop answered\n')
      t.equal(plain.ledger.length, 0, 'nobody is asked without TLS')
    })

    t.test('unverified, by a name or by none', async (t) => {
      await serve('any:else.internal', [wrong, alien])
      t.same(await who(4), { wrong: 2, alien: 2 })
      t.equal(wrong.ledger.at(-1)?.serverName, 'else.internal')
      await serve('any:', [wrong, alien])
      t.same(await who(4), { wrong: 2, alien: 2 })
      t.equal(wrong.ledger.at(-1)?.serverName, false)
    })

    t.test('answers that are tried again', async (t) => {
      for (const tls of [VERIFIED, 'any:shop.internal']) {
        await serve(tls, [a, b], { statuses: 8 })
        a.ledger.length = b.ledger.length = 0
        t.match(await ask({ path: '/?status=503' }), { status: 503, json: { id: /^[ab]$/ } })
        t.same([a.ledger.length, b.ledger.length], [1, 1], tls)
        t.match(await ask({ path: '/?status=502' }), { status: 502, json: { id: /^[ab]$/ } })
        t.equal(a.ledger.length + b.ledger.length, 3, 'what is not named passes')
      }
    })

    t.test('a WebSocket is upgraded over TLS', async (t) => {
      await serve(VERIFIED, [wrong, a])
      await holdEcho(t, gateway.httpPort, HOST, 'hello over TLS')
    })

    t.test('what is in flight is counted', async (t) => {
      await serve(VERIFIED, [a])
      const waiting = ask({ path: '/?hold' })
      await until(() => a.held() === 1)
      t.equal(await gateway.active(sidOfAddress(a.address)), 1)
      a.release()
      t.equal((await waiting).status, 200)
      await until(async () => (await gateway.active(sidOfAddress(a.address))) === 0)
    })

    t.test('beside an upstream without TLS, each in its own way', async (t) => {
      const arms = [
        { upstream: 'shop', weight: 1, peers: [a] },
        { upstream: 'old', weight: 1, peers: [plain] },
      ]
      const split = new Map(
        [...splitUnit('canary', arms)].map(([key, value]) => [
          key,
          key.includes('/') ? `$${value}` : value,
        ]),
      )
      const put = (instances: Backend[]): Promise<void> =>
        gateway.setTable(
          unitOf(VERIFIED, instances),
          upstreamUnit('old', [{ ...plain, pooled: gateway.pool }]),
          split,
          hostUnit(HOST, [['/', '~canary']]),
        )
      await put([a])
      const counts = await who(40)
      t.equal((counts.a ?? 0) + (counts.plain ?? 0), 40, JSON.stringify(counts))
      t.ok((counts.a ?? 0) > 5 && (counts.plain ?? 0) > 5, JSON.stringify(counts))
      t.equal(
        plain.ledger.some(({ serverName }) => serverName !== undefined),
        false,
      )
    })
  })
}

t.test('from the registry to the handshake', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs', trustedCa: ours.pem })
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    ...{
      pool: 'auto',
      poolPort: gateway.poolPort,
      httpPort: gateway.httpPort,
      trustedCa: ours.path,
    },
  })
  const log = silentLogger
  const registry = await openEmbedded({ folder: join(gateway.home, 'registry'), log })
  const controller = await Controller.make({ settings, registry, log })
  controller.start()
  t.teardown(async () => {
    await controller.close()
    await registry.close()
  })
  const right1 = await startBackend(t, 'right', '127.0.0.1', right)
  const wrong1 = await startBackend(t, 'wrong', '127.0.0.1', misnamed)
  const commit = async (key: string, value: object): Promise<void> => {
    const { revision } = await registry.commit([{ type: 'put', key, value: JSON.stringify(value) }])
    await applied(controller, revision)
  }
  const status = async (): Promise<number> => (await gateway.ask({ host: 'shop.localhost' })).status
  const policy = { check: { type: 'http', intervalMs: 500, fall: 1 } }
  const tls = { serverName: 'shop.internal' }
  await commit('upstreams/shop', { policy, tls })
  await commit('instances/shop/right', { host: right1.host, port: right1.port })
  await commit('instances/shop/wrong', { host: wrong1.host, port: wrong1.port })
  t.equal(await status(), 200)
  const reason = 'check failed: its certificate is for another name'
  await until(() => controller.conditionsOf('shop').get('wrong')?.reason === reason)
  t.equal(controller.conditionsOf('shop').get('right'), undefined)
  const file = join(gateway.home, 'fallback/sluice-upstreams.conf')
  const isWritten = (): boolean => existsSync(file) && readFileSync(file, 'utf8').includes('map ')
  await until(isWritten, { what: 'the fallback' })
  t.notMatch(readFileSync(file, 'utf8'), new RegExp(`:${right1.port}`), 'never by plain HTTP')
  await commit('upstreams/shop', {})
  t.equal(await status(), 502, 'without TLS no instance answers')
  await commit('upstreams/shop', { tls })
  t.equal(await status(), 200)
})

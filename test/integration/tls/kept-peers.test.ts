// Connections to peers over TLS and HTTP/2 are kept, and each carries what it was made for alone.
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { startH2 } from '../../../lab/backends/h2-backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { hostUnit, ruledUnit } from '../../../lab/nginx/unit-builder.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { applied } from '../../support/applied.js'
import { testSettings } from '../../support/control.js'
import { holdEcho } from '../../support/upgrade.js'

t.setTimeout(170_000)

const HOST = 'shop.test'
/** With another path, so that its host has no slots of its own. */
const PATHS = 'paths.test'
const VERIFIED = 'verified:shop.internal'
const WAY = '_tls shop.internal'

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const right = await ours.issue(['shop.internal'])
const misnamed = await ours.issue(['cart.internal'])

interface Peer {
  id: string
  address: string
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, trustedCa: ours.pem })
    const start = (id: string, pem = right): Promise<Backend> =>
      startBackend(t, id, '127.0.0.1', pem)
    const [a, b, wrong] = await Promise.all([start('a'), start('b'), start('wrong', misnamed)])
    const [two, secure] = await Promise.all([startH2(t, 'two'), startH2(t, 'secure', right)])
    const all = [a, b, wrong, two, secure]
    await gateway.fillKept(...all.map(({ address }) => address))
    const serve = async (peers: Peer[], rules: object, way: string): Promise<void> => {
      const ids = peers.map(({ id }) => id)
      const kept = peers.map((peer) => ({ ...peer, pooled: gateway.pool }))
      const slots = gateway.pool && way !== '' ? { kept: way } : {}
      const flag = { kept: gateway.pool, balance: 'w' as const }
      const unit = ruledUnit('shop', kept, { ...flag, ...rules }, { main: ids, ...slots })
      const paths: Array<[string, string]> = [
        ['/other', ':shop'],
        ['/', ':shop'],
      ]
      await gateway.setTable(unit, hostUnit(HOST, [['/', ':shop']], unit), hostUnit(PATHS, paths))
    }
    /** Who answered so many requests, and how many connections that took. */
    const ask = async (times: number, question = {}) => {
      const before = all.map((each) => each.connections())
      const answers: Record<string, number> = {}
      for (let i = 0; i < times; i++) {
        const { status, json } = await gateway.ask({ host: i % 2 ? HOST : PATHS, ...question })
        const who = status === 200 ? (json as Peer).id : String(status)
        answers[who] = (answers[who] ?? 0) + 1
      }
      const made = all.reduce((sum, each, i) => sum + each.connections() - (before[i] ?? 0), 0)
      return { answers, made, asked: Object.keys(answers).sort() }
    }
    const most = (kept: number, times: number): number => (gateway.pool ? kept : times)

    t.test('over TLS, by a draw', async (t) => {
      await serve([a, b], { tls: VERIFIED }, WAY)
      const first = await ask(30)
      t.same(first.asked, ['a', 'b'])
      t.ok(first.made <= most(6, 30), `${first.made} connections`)
      const body = 'x'.repeat(100_000)
      const posts = await ask(30, { method: 'POST', body })
      t.same(posts.asked, ['a', 'b'])
      t.ok(posts.made <= most(4, 30), `${posts.made} connections`)
      t.match(a.ledger.at(-1), { bytes: body.length, serverName: 'shop.internal' })
      const seen = a.ledger.at(-1)?.rawHeaders.join(' ') ?? ''
      t.notMatch(seen, /sluice/i, 'no instance is told of the pick')
      t.equal((await gateway.counters()).retried, 0)
      await until(() => {
        const log = gateway.accessLog()
        return (
          log.filter(({ upstream, instance }) => upstream === 'shop' && instance === 'a').length > 9
        )
      })
    })

    t.test('over TLS, by rules', async (t) => {
      await serve([a, b], { tls: VERIFIED, balance: 'r' }, '')
      const { answers, made } = await ask(30)
      t.same(answers, { a: 15, b: 15 })
      t.ok(made <= most(6, 30), `${made} connections`)
      await serve([a, b], { tls: VERIFIED, balance: 'c', capped: true }, '')
      const least = await ask(20, { method: 'POST', body: 'x' })
      t.same(least.asked, ['a', 'b'])
    })

    // Debian stable's nginx speaks no HTTP/2 to instances.
    if (kind !== 'stable') {
      t.test('over HTTP/2, with and without TLS', async (t) => {
        const ways: Array<[object, string, Peer]> = [
          [{}, '_h2 ', two],
          [{ tls: VERIFIED }, '_h2_tls shop.internal', secure],
          [{ tls: 'any:' }, '_h2_tls_any ', secure],
        ]
        for (const [rules, way, peer] of ways) {
          await serve([peer], { protocol: 'h2', ...rules }, way)
          const { answers, made } = await ask(20)
          t.same(answers, { [peer.id]: 20 })
          t.ok(made <= most(2, 20), `${way}: ${made} connections`)
          const posts = await ask(6, { method: 'POST', body: 'x'.repeat(20_000) })
          t.same(posts.answers, { [peer.id]: 6 })
        }
      })
    }

    t.test('one with a wrong certificate, and one that hung up', async (t) => {
      await serve([wrong, a], { tls: VERIFIED }, WAY)
      t.same((await ask(12)).answers, { a: 12 })
      t.same((await ask(12, { method: 'POST', body: 'x' })).answers, { a: 12 })
      t.same(wrong.ledger, [])
      await serve([wrong], { tls: VERIFIED }, WAY)
      t.same((await ask(4)).answers, { 502: 4 })
      await serve([wrong], { tls: 'any:' }, '_tls_any ')
      t.same((await ask(4)).answers, { wrong: 4 })
      await serve([a], { tls: VERIFIED }, WAY)
      t.equal((await ask(4)).answers.a, 4)
      const reset = await gateway.ask({ host: HOST, path: '/?reset', method: 'POST', body: 'x' })
      t.equal(reset.status, 502, 'what was sent once is not sent twice')
      const { length } = a.ledger
      t.equal((await gateway.ask({ host: HOST, path: '/?reset' })).status, 502)
      t.ok(a.ledger.length > length)
      t.equal((await ask(4)).answers.a, 4)
    })

    t.test('one whom the pool does not have is asked by address', async (t) => {
      await gateway.fillKept(b.address)
      await serve([a], { tls: VERIFIED }, WAY)
      t.same((await ask(4)).answers, { a: 4 })
      t.same((await ask(4, { method: 'POST', body: 'x' })).answers, { a: 4 })
      await gateway.fillKept(...all.map(({ address }) => address))
    })

    t.test('what is in flight is counted, and a WebSocket is upgraded', async (t) => {
      await serve([a], { tls: VERIFIED }, WAY)
      for (const more of [{}, { method: 'POST', body: 'x' }]) {
        const waiting = gateway.ask({ host: HOST, path: '/?hold', ...more })
        await until(() => a.held() === 1)
        t.equal(await gateway.active(sidOfAddress(a.address)), 1)
        a.release()
        t.equal((await waiting).status, 200)
        await until(async () => (await gateway.active(sidOfAddress(a.address))) === 0)
      }
      await holdEcho(t, gateway.httpPort, HOST, 'hello')
    })
  })
}

t.test('a connection carries nothing that it was not made for', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs', trustedCa: ours.pem })
  await gateway.responder.stop()
  const { home, poolPort, httpPort } = gateway
  const more = { pool: 'auto', poolPort, httpPort, trustedCa: ours.path } as const
  const settings = testSettings(home, more)
  const log = silentLogger
  const registry = await openEmbedded({ folder: join(home, 'registry'), log })
  const controller = await Controller.make({ settings, registry, log })
  controller.start()
  t.teardown(async () => {
    await controller.close()
    await registry.close()
  })
  const peer = await startBackend(t, 'peer', '127.0.0.1', right)
  const { host, port } = peer
  const commit = async (key: string, value: object): Promise<void> => {
    const { revision } = await registry.commit([{ type: 'put', key, value: JSON.stringify(value) }])
    await applied(controller, revision)
  }
  const status = async (name: string): Promise<number> =>
    (await gateway.ask({ host: `${name}.localhost` })).status
  /** Whether ten requests share connections. */
  const isKept = async (name: string, at = peer): Promise<boolean> => {
    const before = at.connections()
    for (let i = 0; i < 10; i++) {
      t.equal(await status(name), 200)
    }
    return at.connections() - before < 5
  }
  await commit('upstreams/one', { tls: { serverName: 'shop.internal' } })
  await commit('instances/one/i', { host, port })
  await until(() => isKept('one'), { what: 'connections that are kept' })
  await commit('upstreams/two', { tls: { serverName: 'else.internal' } })
  await commit('instances/two/i', { host, port })
  await commit('upstreams/plain', {})
  await commit('instances/plain/i', { host, port })
  await commit('upstreams/any', { tls: { verify: false } })
  await commit('instances/any/i', { host, port })
  for (let i = 0; i < 10; i++) {
    const statuses = await Promise.all(['one', 'two', 'any'].map(status))
    t.same(statuses, [200, 502, 200])
    t.not(await status('plain'), 200)
  }
  t.ok(await isKept('one'))
  t.notOk(await isKept('any'), 'by address, for another way has it')
  // For some minutes nobody else may have connections to this address.
  await commit('upstreams/one', { tls: { serverName: 'else.internal' } })
  const until3s = performance.now() + 3000
  while (performance.now() < until3s) {
    t.equal(await status('one'), 502)
    t.equal(await status('two'), 502)
    t.equal(await status('any'), 200)
  }
  await commit('upstreams/one', { tls: { serverName: 'shop.internal' } })
  await until(() => isKept('one'), { what: 'connections that are kept again' })

  // An upstream that nobody else shares its instance with.
  const alone = await startBackend(t, 'alone', '127.0.0.1', right)
  await commit('upstreams/alone', { tls: { verify: false, serverName: 'else.internal' } })
  await commit('instances/alone/i', { host: alone.host, port: alone.port })
  await until(() => isKept('alone', alone), { what: 'connections that nobody verified' })
  await commit('upstreams/alone', { tls: { serverName: 'else.internal' } })
  const { length } = alone.ledger
  const until2s = performance.now() + 2000
  while (performance.now() < until2s) {
    t.equal(await status('alone'), 502)
  }
  t.equal(alone.ledger.length, length, 'no request passed over them')

  // Two upstreams show two certificates to one instance.
  const strict = await startBackend(t, 'strict', '127.0.0.1', { ...right, clientCa: ours.pem })
  const forClients = { extension: 'extendedKeyUsage=clientAuth' }
  const [first, second] = await Promise.all([1, 2].map(() => ours.issue([], forClients)))
  const serialOf = (pem = right) => new X509Certificate(pem.certificate).serialNumber
  for (const [name, pem] of Object.entries({ first, second })) {
    await commit(`certificates/${name}`, { ...pem, client: true })
    await commit(`upstreams/${name}`, { tls: { serverName: 'shop.internal', certificate: name } })
    await commit(`instances/${name}/i`, { host: strict.host, port: strict.port })
  }
  await until(() => isKept('first', strict), { what: 'connections with a certificate' })
  for (let i = 0; i < 5; i++) {
    t.equal(await status('first'), 200)
    t.equal(strict.ledger.at(-1)?.shown, serialOf(first))
    t.equal(await status('second'), 200)
    t.equal(strict.ledger.at(-1)?.shown, serialOf(second))
  }
  const body = 'x'.repeat(50_000)
  const posted = await gateway.ask({ host: 'first.localhost', method: 'POST', body })
  t.equal(posted.status, 200)
  await commit('certificates/first', { ...second, client: true })
  t.equal(await status('first'), 200)
  t.equal(strict.ledger.at(-1)?.shown, serialOf(second), 'what is renewed is shown at once')
})

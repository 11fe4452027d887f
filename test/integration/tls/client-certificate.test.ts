// What the gateway shows to instances: a real nginx, real handshakes, instances that take nobody
// without a certificate of theirs.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { problem } from '../../support/api.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import type { Pem } from '../../../lab/engines/certificates.js'
import { startControlled } from '../../support/controlled.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import { shake } from '../../../lab/tls-client.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const HOST = 'shop.localhost'
const UPSTREAM = '/v1/upstreams/shop'
const FOR_CLIENTS = { extension: 'extendedKeyUsage=clientAuth' }

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const others = await makeAuthority(temporaryFolder(t, 'ca'))
const server = await ours.issue(['shop.internal'], { extension: 'extendedKeyUsage=serverAuth' })
const below = await ours.below()
const first = await ours.issue([], FOR_CLIENTS)
const second = await below.issue([], FOR_CLIENTS)
const foreign = await others.issue([])

const serialOf = ({ certificate }: Pem): string => new X509Certificate(certificate).serialNumber
const tls = { serverName: 'shop.internal', certificate: 'gateway' }

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const settings = { trustedCa: ours.path }
    const it = await startControlled(t, { kind, trustedCa: ours.pem, settings })
    const [a, b] = await Promise.all(
      ['a', 'b'].map((id) => startBackend(t, id, '127.0.0.1', { ...server, clientCa: ours.pem })),
    )
    const instances = [a, b].filter((each) => each !== undefined)
    const ask = async (more = {}): Promise<number> =>
      (await it.gateway.ask({ host: HOST, ...more })).status
    const done = async (method: string, path: string, body?: unknown): Promise<void> => {
      const { status, body: answer } = await it.call(method, path, body)
      assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(answer)}`)
    }
    const show = (pem: Pem): Promise<void> =>
      done('PUT', '/v1/certificates/gateway', { ...pem, client: true })
    const last = (): Array<string | undefined> =>
      instances.map(({ ledger }) => ledger.filter(({ url }) => url === '/').at(-1)?.shown)
    for (const { id, host, port } of instances) {
      await done('PUT', `${UPSTREAM}/instances/${id}`, { host, port })
    }

    t.test('is shown, and what is renewed at the next handshake', async (t) => {
      await show(first)
      const policy = { balance: 'roundRobin' }
      await done('PUT', UPSTREAM, { policy, tls: { serverName: 'shop.internal' } })
      t.not(await ask(), 200, 'without one nobody answers')
      await done('PUT', UPSTREAM, { policy, tls })
      t.same([await ask(), await ask()], [200, 200])
      t.same(last(), [serialOf(first), serialOf(first)])
      await show(second)
      t.same([await ask(), await ask({ method: 'POST', body: 'x' })], [200, 200])
      t.same(last(), [serialOf(second), serialOf(second)], 'with what leads to its authority')
      await done('PATCH', UPSTREAM, { tls: { verify: false, serverName: null } })
      t.equal(await ask(), 200, 'where theirs is not verified, too')
      await show(foreign)
      t.not(await ask(), 200, 'one that they do not trust')
      await show(first)
      t.equal(await ask(), 200)
    })

    t.test('is shown by checks', async (t) => {
      const stateOf = async (): Promise<string[]> =>
        (await it.call('GET', UPSTREAM)).body.instances.map(({ state }: { state: string }) => state)
      const check = { type: 'http', path: '/check', intervalMs: 500, rise: 1, fall: 1 }
      const checked = instances.map(({ ledger }) => ledger.length)
      await done('PUT', UPSTREAM, { policy: { check }, tls })
      await until(() => instances.every(({ ledger }, i) => ledger.length > (checked[i] ?? 0)))
      t.same(await stateOf(), ['up', 'up'])
      const shown = instances.map(({ ledger }) => ledger.at(-1))
      t.match(shown, [{ url: '/check', shown: serialOf(first) }, { shown: serialOf(first) }])
      await show(foreign)
      await until(async () => (await stateOf()).every((state) => state === 'down'))
      await show(second)
      await until(async () => (await stateOf()).every((state) => state === 'up'))
      t.equal(instances[0]?.ledger.at(-1)?.shown, serialOf(second))
    })

    t.test('is not there though it should be: nobody is asked, and the log says so', async (t) => {
      await done('PUT', UPSTREAM, { tls: { verify: false, certificate: 'gateway' } })
      t.equal((await it.call('GET', '/v1/certificates/gateway')).status, 200)
      await it.registry.commit([{ type: 'delete', key: 'certificates/gateway' }])
      await until(async () => (await it.call('GET', '/v1/certificates/gateway')).status === 404)
      // The controller knows before nginx does.
      await until(async () => (await ask()) === 503)
      const before = instances.map(({ ledger }) => ledger.length)
      t.equal(await ask(), 503)
      t.same(
        instances.map(({ ledger }) => ledger.length),
        before,
      )
      t.match(it.gateway.errorLog(), /the table has no certificate gateway to show/)
      await show(first)
      t.equal(await ask(), 200)
    })

    t.test('no client is shown it, and nothing gives its key away', async (t) => {
      const named = await ours.issue(['app.test'])
      await done('PUT', '/v1/certificates/named', { ...named, client: true })
      const { body } = await it.call('GET', '/v1/certificates')
      t.match(body.certificates, [
        { id: 'gateway', names: [], client: true, state: 'valid' },
        { id: 'named', names: [], client: true },
      ])
      // A name that is no host's is the key of nothing, as what is shown to instances has one.
      const plain = await shake(it.gateway.httpsPort, {})
      for (const name of [
        '=gateway',
        '=GATEWAY',
        '=named',
        '^=gateway',
        '*',
        '*.test',
        '=gateway/',
      ]) {
        const { fingerprint } = await shake(it.gateway.httpsPort, { name })
        t.equal(fingerprint, plain.fingerprint, name)
      }
      const explained = await it.call('GET', `/v1/explain?host=${HOST}`)
      t.match(JSON.stringify(explained.body), /shown certificate gateway/)
      const shown = [body, explained.body, it.gateway.errorLog(), it.gateway.accessLog()]
      for (const path of ['/metrics', '/readyz?verbose', UPSTREAM]) {
        shown.push((await it.call('GET', path)).body)
      }
      const all = JSON.stringify(shown)
      for (const line of first.privateKey.split('\n').filter((each) => /^[^-]{30}/.test(each))) {
        t.notOk(all.includes(line.slice(0, 30)), 'a line of the key')
      }
    })
  })
}

t.test('what does not fit is refused by name', async (t) => {
  const it = await startControlled(t, { kind: 'njs' })
  const put = (path: string, body: unknown) => it.call('PUT', path, body)
  const refused = async (
    [method, path, body]: [string, string, unknown?],
    status: number,
    field: string | undefined,
    why: RegExp,
  ): Promise<void> => {
    const answer = await it.call(method, path, body)
    t.match(problem(answer), { status, field }, `${method} ${path}`)
    t.match(answer.body.detail, why)
  }
  const gateway = '/v1/certificates/gateway'
  await refused(
    ['PUT', gateway, { ...server, client: true }],
    400,
    'certificate',
    /not for clients/,
  )
  await refused(['PUT', gateway, first], 400, 'certificate', /not for servers.*client/)
  await refused(['PUT', gateway, { ...first, client: 1 }], 400, 'client', /true or absent/)
  const both = { ...first, client: true, default: true }
  await refused(['PUT', gateway, both], 400, 'default', /for instances/)
  await refused(['PUT', UPSTREAM, { tls }], 400, 'tls.certificate', /no certificate gateway/)
  t.equal((await put('/v1/certificates/app', await ours.issue(['app.test']))).status, 201)
  const shown = { ...tls, certificate: 'app' }
  await refused(['PUT', UPSTREAM, { tls: shown }], 400, 'tls.certificate', /client: true/)
  const odd = { ...tls, certificate: 'folder/app' }
  await refused(['PUT', UPSTREAM, { tls: odd }], 400, 'tls.certificate', /id of a certificate/)
  const operations = [
    { method: 'PUT', path: UPSTREAM, body: { tls } },
    { method: 'PUT', path: gateway, body: { ...first, client: true } },
  ]
  t.equal((await it.call('POST', '/v1/batch', { operations })).status, 200, 'in either order')
  await refused(['DELETE', gateway], 409, undefined, /upstream shop shows certificate gateway/)
  const named = await ours.issue(['app.test'])
  await refused(['PUT', gateway, named], 409, 'client', /upstream shop shows/)
  const inBatch = { operations: [{ method: 'DELETE', path: gateway }] }
  t.equal((await it.call('POST', '/v1/batch', inBatch)).status, 409)
  t.equal((await it.call('PATCH', UPSTREAM, { tls: { certificate: null } })).status, 200)
  t.equal((await it.call('DELETE', gateway)).status, 200)
})

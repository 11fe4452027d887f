/** Certificates from the REST call to the handshake, on real nginx, without reload. */
import { readFileSync, statSync } from 'node:fs'
import { connect } from 'node:http2'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startCertified } from '../../support/certified.js'
import type { Certified } from '../../support/certified.js'
import { standing } from '../../support/controlled.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const ca = authority.pem

/** Puts a certificate and answers its fingerprint, once it is applied. */
async function put(t: Test, { call }: Certified, id: string, body: object): Promise<string> {
  const answer = await call('PUT', `/v1/certificates/${id}`, body)
  t.match(answer, { status: /200|201/, body: { id, applied: true } }, id)
  return (answer.body as { fingerprint: string }).fingerprint
}

const FILES = ['nginx.conf', 'sluice/http.conf', 'sluice/tls.conf', 'sluice/server.conf']

function get2(port: number, host: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const session = connect(`https://127.0.0.1:${port}`, { ca, servername: host })
    session.once('error', reject)
    const stream = session.request({ ':path': '/', ':authority': host })
    let body = ''
    let status = 0
    stream.once('response', (headers) => (status = Number(headers[':status'])))
    stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    stream.once('end', () => {
      session.close()
      resolve({ status, body })
    })
    stream.once('error', reject)
  })
}

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(kind, async (t) => {
    const it = await startCertified(t, { kind })
    const backend = await startBackend(t, 'a')
    const before = await standing(it, FILES)
    const own = await it.shake('app.test')
    t.equal(own.protocol, 'h2')
    t.equal((await it.shake()).fingerprint, own.fingerprint, "the home's own, where there is none")

    const exact = await put(t, it, 'exact', await authority.issue(['app.test', 'IP:127.0.0.1']))
    const wild = await put(t, it, 'wild', await authority.issue(['*.app.test', '*.wild.test']))
    const below = await (await authority.below()).below()
    const chained = await put(
      t,
      it,
      'chained',
      await below.issue(['deep.test'], { key: 'rsa:2048' }),
    )

    t.test('by name: exact, a wildcard of one label, otherwise the default', async (t) => {
      t.match(await it.shake('app.test', ca), { fingerprint: exact, distrust: undefined })
      t.match(await it.shake('APP.test', ca), { fingerprint: exact })
      t.match(await it.shake('a.app.test', ca), { fingerprint: wild, distrust: undefined })
      t.match(await it.shake('other.wild.test', ca), { fingerprint: wild, distrust: undefined })
      t.match(await it.shake('deep.test', ca), { fingerprint: chained, distrust: undefined })
      for (const name of ['a.b.app.test', 'app.example', 'localhost', undefined]) {
        t.match(await it.shake(name), { fingerprint: own.fingerprint }, String(name))
      }
      const fallback = await authority.issue(['IP:127.0.0.1'])
      const theirs = await put(t, it, 'default', { ...fallback, default: true })
      for (const name of ['a.b.app.test', 'app.example', undefined]) {
        t.match(await it.shake(name), { fingerprint: theirs }, String(name))
      }
      t.equal((await it.call('DELETE', '/v1/certificates/default')).status, 200)
      t.match(await it.shake('app.example'), { fingerprint: own.fingerprint })
    })

    t.test('a renewal is in the next handshake', async (t) => {
      for (let i = 0; i < 5; i++) {
        const fresh = await put(t, it, 'exact', await authority.issue(['app.test']))
        t.match(await it.shake('app.test', ca), { fingerprint: fresh, distrust: undefined })
      }
    })

    t.test('of two for one name the one that is valid longer serves', async (t) => {
      const longer = await put(t, it, 'longer', await authority.issue(['deep.test'], { days: 30 }))
      t.match(await it.shake('deep.test'), { fingerprint: longer })
      await put(t, it, 'shorter', await authority.issue(['deep.test'], { days: 3 }))
      t.match(await it.shake('deep.test'), { fingerprint: longer })
      await it.call('DELETE', '/v1/certificates/longer')
      await it.call('DELETE', '/v1/certificates/shorter')
      t.match(await it.shake('deep.test'), { fingerprint: chained })
    })

    t.test('names that a renewal leaves out are served no longer', async (t) => {
      await put(t, it, 'wild', await authority.issue(['*.wild.test']))
      t.match(await it.shake('a.app.test'), { fingerprint: own.fingerprint })
    })

    t.test('requests over HTTP/1.1 and HTTP/2 reach the upstream', async (t) => {
      const { host, port } = backend
      const instance = await it.call('PUT', '/v1/upstreams/web/instances/a', { host, port })
      t.equal(instance.status, 201)
      const route = { hosts: ['app.test'], upstream: 'web' }
      t.equal((await it.call('PUT', '/v1/routes/app', route)).status, 201)
      const answer = await get2(it.gateway.httpsPort, 'app.test')
      t.equal(answer.status, 200)
      t.match(JSON.parse(answer.body), { id: 'a', headers: { 'x-forwarded-proto': 'https' } })
    })

    t.strictSame(await standing(it, FILES), before, 'the same workers, the same configuration')

    t.test(
      'a controller that comes back changes nothing; nginx that comes back has all',
      async (t) => {
        const shown = (await it.shake('app.test')).fingerprint
        await it.stop()
        t.match(await it.shake('app.test'), { fingerprint: shown }, 'without a controller')
        await it.start()
        t.match(await it.shake('app.test'), { fingerprint: shown })
        await it.stop()
        await it.gateway.restart()
        t.match(await it.shake('app.test', ca), { fingerprint: shown, distrust: undefined })
        t.match(await it.shake('APP.test'), { fingerprint: shown }, 'an empty table')
        t.match(await it.shake('a.wild.test', ca), { distrust: undefined })
        t.match(await it.shake('deep.test', ca), { fingerprint: chained, distrust: undefined })
        for (const name of ['a.b.wild.test', 'app.example', undefined]) {
          t.match(await it.shake(name), { fingerprint: own.fingerprint }, String(name))
        }
        t.equal((await get2(it.gateway.httpsPort, 'app.test')).status, 200, 'and requests too')
        await it.start()
        t.match(await it.shake('app.test'), { fingerprint: shown })
        await it.gateway.reload()
        t.match(await it.shake('app.test'), { fingerprint: shown })
        await it.gateway.restart()
        await until(async () => (await it.shake('app.test')).fingerprint === shown)
      },
    )

    t.test(
      'what an nginx without a table shows is as the registry was, default and all',
      async (t) => {
        t.equal((await it.call('DELETE', '/v1/certificates/chained')).status, 200)
        const issued = await authority.issue(['any.test'])
        const theirs = await put(t, it, 'default', { ...issued, default: true })
        await it.stop()
        const path = (name: string): string => join(it.gateway.home, 'fallback', name)
        t.equal(statSync(path('sluice-certificates.conf')).mode & 0o777, 0o600)
        t.notMatch(readFileSync(path('sluice-upstreams.conf'), 'utf8'), /PRIVATE/)
        await it.gateway.restart()
        for (const name of ['deep.test', 'any.test', undefined]) {
          t.match(await it.shake(name), { fingerprint: theirs }, String(name))
        }
        await it.start()
      },
    )
  })
}

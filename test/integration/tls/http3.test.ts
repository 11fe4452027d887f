// HTTP/3 towards clients: all of Sluice on both nginx, and curl, which has a QUIC of its own.
import { createHash } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { standing, startControlled } from '../../support/controlled.js'
import type { Controlled } from '../../support/controlled.js'
import type { GatewayOptions } from '../../../lab/nginx/gateway.js'
import { ask3, valuesOf } from '../../support/http3.js'
import type { Answer3, Question3 } from '../../support/http3.js'
import { askOverQuic, shownOverQuic } from '../../support/raw-h3.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const ca = authority.path

interface SetUp extends Controlled {
  ask: (name: string, more?: Partial<Question3>) => Promise<Answer3>
  done: (method: string, path: string, body?: unknown) => Promise<{ fingerprint: string }>
  serve: (upstream: string, ...backends: Backend[]) => Promise<void>
}

async function setUp(t: Test, options: GatewayOptions): Promise<SetUp> {
  const it = await startControlled(t, { http3: true, ...options })
  const done: SetUp['done'] = async (method, path, body) => {
    const answer = await it.call(method, path, body)
    t.match(answer, { status: /20[01]/, body: { applied: true } }, `${method} ${path}`)
    return { fingerprint: answer.body.fingerprint as string }
  }
  if (options.passthrough === true) {
    await until(() => it.controller.stream().passthrough, { what: 'the link to stream{}' })
  }
  return {
    ...it,
    done,
    ask: (name, more = {}) => ask3({ port: it.gateway.httpsPort, name, ...more }),
    serve: async (upstream, ...backends) => {
      for (const { id, host, port } of backends) {
        await done('PUT', `/v1/upstreams/${upstream}/instances/${id}`, { host, port })
      }
    },
  }
}

const FILES = ['nginx.conf', 'sluice/http.conf', 'sluice/http3.conf', 'sluice/tls.conf']

function seen({ body }: Answer3): { id: string; headers: Record<string, string>; digest: string } {
  return JSON.parse(body) as ReturnType<typeof seen>
}

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(`${kind}: certificates, by name and by the next connection`, async (t) => {
    const it = await setUp(t, { kind })
    const before = await standing(it, FILES)
    const own = await it.ask('app.test')
    t.match(own, { code: 0, version: '3', status: 404 }, "the home's own, where there is none")
    t.not((await it.ask('app.test', { ca })).code, 0, 'which nobody trusts')
    const issued = await authority.issue(['app.test', '*.app.test'])
    const { fingerprint } = await it.done('PUT', '/v1/certificates/app', issued)
    t.match(await it.ask('app.test', { ca }), { code: 0, fingerprint })
    t.match(await it.ask('x.app.test', { ca }), { code: 0, fingerprint })
    t.match(await it.ask('else.test'), { fingerprint: own.fingerprint }, 'a name without one')
    const named = await authority.issue(['some.test'])
    const theirs = await it.done('PUT', '/v1/certificates/default', { ...named, default: true })
    t.match(await it.ask('else.test'), theirs, 'the default')
    for (let i = 0; i < 3; i++) {
      const renewed = await authority.issue(['app.test'])
      const { fingerprint } = await it.done('PUT', '/v1/certificates/app', renewed)
      t.match(await it.ask('app.test', { ca }), { code: 0, fingerprint }, 'renewed')
    }
    await it.done('DELETE', '/v1/certificates/app')
    t.match(await it.ask('app.test'), theirs)
    t.same(await standing(it, FILES), before, 'by the same workers and files')
  })

  t.test(`${kind}: requests, and what their upstream gets to know`, async (t) => {
    const it = await setUp(t, { kind })
    const { httpsPort } = it.gateway
    const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
    await it.serve('web', a, b)
    await it.done('PUT', '/v1/routes/web', { hosts: ['app.test'], upstream: 'web' })
    const answer = await it.ask('app.test', { path: '/a%20b?c' })
    t.match(answer, { version: '3', status: 200 })
    t.match(seen(answer), {
      url: '/a%20b?c',
      headers: {
        // An older nginx does not pass on the port that was asked for.
        host: kind === 'stable' ? 'app.test' : `app.test:${httpsPort}`,
        'x-real-ip': '127.0.0.1',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'https',
        'x-forwarded-port': String(httpsPort),
      },
    })
    const body = 'x'.repeat(300_000)
    const digest = createHash('sha256').update(body).digest('hex')
    for (const streamed of [false, true]) {
      const answer = await it.ask('app.test', { method: 'POST', body, streamed })
      t.match(seen(answer), { method: 'POST', bytes: body.length, digest })
    }
    const { length } = a.ledger.concat(b.ledger)
    const forged = (...more: Array<[string, string]>) =>
      askOverQuic(httpsPort, 'app.test', [
        [':method', 'GET'],
        [':scheme', 'https'],
        [':path', '/x'],
        ...more,
      ])
    const host: [string, string] = [':authority', 'app.test']
    t.equal(await forged(host, ['host', 'other.test']), '400', 'two hosts')
    t.equal(await forged(host, [':authority', 'other.test']), '400', 'two authorities')
    t.equal(await forged(host, [':path', 'https://other.test/']), '400', 'two paths')
    t.equal(await forged(host, ['x-own', 'a\r\nx-forged: b']), '400', 'two lines')
    t.equal(a.ledger.concat(b.ledger).length, length, 'none of it reached an instance')
    const { headers } = JSON.parse(
      await forged(host, ['x-sluice-pick', ':api/1'], ['x-real-ip', '6.6.6.6']),
    ) as { headers: Record<string, string> }
    t.match(headers, { host: 'app.test', 'x-real-ip': '127.0.0.1' })
    t.notMatch(JSON.stringify(headers), /6\.6\.6|:api/)
    const served = new Set<string>()
    await until(async () => served.add(seen(await it.ask('app.test')).id).size === 2)
    await it.done('POST', '/v1/upstreams/web/instances/a/drain')
    for (let i = 0; i < 10; i++) {
      t.equal(seen(await it.ask('app.test')).id, 'b', 'drained')
    }
    const logged = () => it.gateway.accessLog().find(({ uri }) => uri === '/a%20b?c')
    await until(() => logged() !== undefined, { what: 'the access log' })
    t.match(logged(), {
      protocol: 'HTTP/3.0',
      scheme: 'https',
      host: 'app.test',
      client: '127.0.0.1',
    })
    t.notMatch(it.gateway.errorLog(), /\[(emerg|alert|crit)\]|exception/)
  })

  t.test(`${kind}: who asks over TCP learns of it`, async (t) => {
    const it = await setUp(t, { kind })
    const web = await startBackend(t, 'web')
    await it.serve('web', web)
    await it.done('PUT', '/v1/routes/web', { hosts: ['app.test'], upstream: 'web' })
    const ours = [`h3=":${it.gateway.httpsPort}"; ma=86400`]
    const altSvcOf = async (name: string, more: Partial<Question3>): Promise<string[]> =>
      valuesOf(await it.ask(name, more), 'alt-svc')
    for (const version of ['2', '3'] as const) {
      t.same(await altSvcOf('app.test', { version }), ours)
      t.same(
        await altSvcOf('app.test', { version, path: '/?status=503' }),
        ours,
        "an instance's 503",
      )
      t.same(await altSvcOf('none.test', { version }), ours, 'no route')
    }
    t.same(
      (await it.gateway.ask({ host: 'app.test' })).headers['alt-svc'],
      undefined,
      'not without TLS',
    )
    const grpc = { 'content-type': 'application/grpc', te: 'trailers' }
    t.same(await altSvcOf('none.test', { version: '2', headers: grpc, method: 'POST' }), ours)
    // The hop is passed by whoever meets one that refuses.
    await it.done('PUT', '/v1/upstreams/web', { policy: { retry: { statuses: [502] } } })
    t.same(await altSvcOf('app.test', { version: '2' }), ours, 'through the hop')
    const set = { 'Alt-Svc': 'h3=":1"' }
    const route = { hosts: ['app.test'], upstream: 'web', responseHeaders: { set } }
    await it.done('PUT', '/v1/routes/web', route)
    t.same(await altSvcOf('app.test', { version: '2' }), ['h3=":1"'], "a route's own goes before")
    await it.done('PUT', '/v1/routes/web', { hosts: ['app.test'], upstream: 'web' })
    await it.done('DELETE', '/v1/upstreams/web/instances/web')
    t.same(await altSvcOf('app.test', { version: '2' }), ours, 'nobody is up')
  })

  t.test(`${kind}: names that TLS is passed through for are asked for over TCP`, async (t) => {
    const it = await setUp(t, { kind, passthrough: true })
    const { ask, done } = it
    const issued = await authority.issue(['app.test', '*.app.test'])
    const ours = await done('PUT', '/v1/certificates/app', issued)
    const web = await startBackend(t, 'web')
    const vault = await startBackend(
      t,
      'vault',
      '127.0.0.1',
      await authority.issue(['db.app.test']),
    )
    await it.serve('web', web)
    await it.serve('vault', vault)
    await done('PUT', '/v1/routes/web', { hosts: ['app.test', '*.app.test'], upstream: 'web' })
    t.match(await ask('db.app.test', { ca }), { ...ours, version: '3', status: 200 })
    await done('PUT', '/v1/routes/vault', { sni: ['db.app.test'], upstream: 'vault' })

    const refused = await ask('db.app.test', { ca })
    t.match(refused, { status: 0, version: '', fingerprint: '' }, 'by QUIC a TLS alert')
    t.not(refused.code, 0)
    const answer = await ask('db.app.test', { ca, version: 'any' })
    t.match(answer, { code: 0, version: '1.1', status: 200 }, 'and a client goes on by TCP')
    t.not(answer.fingerprint, ours.fingerprint)
    t.equal(seen(answer).id, 'vault')
    t.match(await ask('app.test', { ca }), { ...ours, version: '3', status: 200 })
    t.match(await ask('x.db.app.test'), { version: '3' }, 'another name')

    const before = web.ledger.length
    const astray = await ask('app.test', { ca, headers: { Host: 'DB.app.test' } })
    t.match(astray, { version: '3', status: 421 }, "over another name's connection")
    t.same(valuesOf(astray, 'alt-svc'), ['clear'])
    t.equal(web.ledger.length, before)

    await done('PUT', '/v1/routes/vault', { sni: ['.vault.test'], upstream: 'vault' })
    t.match(await ask('db.app.test', { ca }), { ...ours, version: '3', status: 200 }, 'given back')
    for (const name of ['vault.test', 'x.vault.test', 'x.y.vault.test']) {
      t.match(await ask(name), { version: '', fingerprint: '' }, name)
    }
    const client = { ...(await authority.issue(['client.test'])), client: true }
    await done('PUT', '/v1/certificates/gateway', client)
    const { httpsPort } = it.gateway
    const usual = await shownOverQuic(httpsPort, 'else.test')
    t.equal(await shownOverQuic(httpsPort, 'app.test'), ours.fingerprint)
    for (const name of ['=gateway', 'tls*vault.test', '*.app.test', '*']) {
      t.equal(await shownOverQuic(httpsPort, name), usual, `${name} is no host's name`)
    }
    t.equal(await shownOverQuic(httpsPort, 'x.VAULT.test'), '')
    const odd = await it.gateway.ask({ host: 'tls*vault.test' })
    t.equal(odd.status, 404, 'the key of a passed-through name is no host')
    await done('DELETE', '/v1/routes/vault')
    t.match(await ask('vault.test'), { version: '3', status: 404 })
    t.notMatch(it.gateway.errorLog(), /\[(emerg|alert|crit)\]|exception/)
  })

  t.test(`${kind}: a controller that comes back, an nginx that does`, async (t) => {
    const it = await setUp(t, { kind, passthrough: true })
    const web = await startBackend(t, 'web')
    await it.serve('web', web)
    const issued = await authority.issue(['app.test'])
    const { fingerprint } = await it.done('PUT', '/v1/certificates/app', issued)
    await it.done('PUT', '/v1/routes/web', { hosts: ['app.test'], upstream: 'web' })
    await it.done('PUT', '/v1/routes/vault', { sni: ['vault.test'], upstream: 'vault' })
    const isRight = async (): Promise<boolean> => {
      const [app, vault] = [await it.ask('app.test', { ca }), await it.ask('vault.test')]
      return app.fingerprint === fingerprint && app.status === 200 && vault.fingerprint === ''
    }
    t.ok(await isRight())
    await it.stop()
    t.ok(await isRight(), 'without a controller')
    await it.registry.commit([{ type: 'delete', key: 'routes/vault' }])
    await it.start()
    await until(async () => (await it.ask('vault.test')).version === '3')
    await it.done('PUT', '/v1/routes/vault', { sni: ['vault.test'], upstream: 'vault' })
    await it.gateway.reload()
    // Workers that are on their way out may still take what comes first.
    await until(isRight, { what: 'a reloaded nginx to be as before' })
    await it.gateway.restart()
    await until(isRight, { what: 'a restarted nginx to have its table' })
  })
}

// gRPC from a REST call to the instance: a real controller, a real nginx, a real client and
// servers.
import assert from 'node:assert/strict'
import t from 'tap'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startControlled } from '../../support/controlled.js'
import { GrpcClient, startGrpcBackend } from '../../../lab/backends/grpc.js'
import type { GrpcBackend } from '../../../lab/backends/grpc.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const HOST = 'echo.localhost'
const [OK, UNAVAILABLE, UNIMPLEMENTED] = [0, 14, 12]

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const server = await ours.issue(['echo.internal'])

const KINDS = [
  // Where TLS is looked at by stream{} first, a call comes in by another way.
  { kind: 'njs', streamPorts: '', passthrough: true },
  { kind: 'stable', streamPorts: '' },
] as const

for (const options of KINDS) {
  t.test(options.kind, async (t) => {
    const it = await startControlled(t, {
      ...{ ...options, trustedCa: ours.pem, settings: { trustedCa: ours.path } },
    })
    const [a, b, secure] = await Promise.all([
      ...['a', 'b'].map((id) => startGrpcBackend(t, id)),
      startGrpcBackend(t, 'secure', server),
    ])
    assert(a && b && secure)
    const client = new GrpcClient(t, it.gateway.httpsPort, HOST)
    const done = async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const { status, body: answer } = await it.call(method, `/v1/${path}`, body)
      assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(answer)}`)
      return answer
    }
    const serve = async (upstream: string, { id, host, port }: GrpcBackend, more = {}) => {
      await done('PUT', `upstreams/${upstream}`, { protocol: 'grpc', ...more })
      await done('PUT', `upstreams/${upstream}/instances/${id}`, { host, port })
    }
    const hosts = [HOST]
    await serve('echo', a)

    t.test('an upstream says what it speaks', async (t) => {
      const { status, body } = await it.call('PUT', '/v1/upstreams/other', { protocol: 'h3' })
      t.same([status, (body as { field: string }).field], [400, 'protocol'])
      const resent = { protocol: 'grpc', policy: { retry: { statuses: [503] } } }
      const refused = await it.call('PUT', '/v1/upstreams/other', resent)
      t.match(refused, { status: 400, body: { field: 'policy.retry.statuses' } })
      t.match(await done('GET', 'upstreams/echo'), { protocol: 'grpc' })
      t.match(await client.call('Say', ['hello']), { texts: ['a: hello'] })
      const explained = await done('GET', `explain?host=${HOST}&path=/test.Echo/Say`)
      t.match(JSON.stringify(explained), /its instances speak gRPC/)
      await done('PATCH', 'upstreams/echo', { protocol: null })
      t.match(await client.call('Say', ['hello']), { code: UNIMPLEMENTED })
      await done('PATCH', 'upstreams/echo', { protocol: 'grpc' })
      t.match(await client.call('Say', ['hello']), { code: OK })
    })

    t.test('routes by method and by metadata, and splits', async (t) => {
      await serve('beta', b)
      await done('PUT', 'routes/all', { hosts, upstream: 'echo' })
      await done('PUT', 'routes/words', {
        ...{ hosts, pathPrefix: '/test.Echo/Words', upstream: 'beta' },
      })
      await done('PUT', 'routes/beta', { hosts, headers: { 'x-beta': true }, upstream: 'beta' })
      t.match(await client.call('Chat', ['one']), { begin: 'a' })
      t.match(await client.call('Words', ['one']), { begin: 'b' })
      const metadata = { 'x-beta': 'yes' }
      t.match(await client.call('Chat', ['one'], { metadata }), { begin: 'b' })
      const split = ['echo', 'beta'].map((upstream) => ({ upstream, weight: 1 }))
      await done('PUT', 'routes/all', { hosts, split })
      const served = new Set<unknown>()
      await until(async () => {
        served.add((await client.call('Say', ['one'])).begin)
        return served.size === 2
      })
      t.same([...served].sort(), ['a', 'b'])
      for (const id of ['words', 'beta']) {
        await done('DELETE', `routes/${id}`)
      }
      await done('PUT', 'routes/all', { hosts, upstream: 'echo' })
    })

    t.test('over TLS, from the next call on', async (t) => {
      await done('PUT', 'routes/tls', { hosts: ['tls.test'], upstream: 'tls' })
      const over = new GrpcClient(t, it.gateway.httpsPort, 'tls.test')
      await serve('tls', secure)
      t.match(await over.call('Say', ['hello']), { code: UNAVAILABLE })
      await done('PATCH', 'upstreams/tls', { tls: { serverName: 'echo.internal' } })
      t.match(await over.call('Say', ['hello']), { texts: ['secure: hello'] })
    })

    t.test(
      'an instance that ends and one that is drained, under load: no call is lost',
      async (t) => {
        await done('PUT', 'upstreams/echo/instances/b', { host: b.host, port: b.port })
        const codes = new Map<number, number>()
        let isOver = false
        const callers = (['Say', 'Collect', 'Words', 'Chat'] as const).map(async (name, i) => {
          while (!isOver) {
            const { code } = await client.call(name, ['hello'], i % 2 === 0 ? {} : { pauseMs: 2 })
            codes.set(code, (codes.get(code) ?? 0) + 1)
          }
        })
        const calls = () => [...codes.values()].reduce((sum, each) => sum + each, 0)
        await until(() => calls() > 40)
        await done('POST', 'upstreams/echo/instances/a/drain', { waitMs: 5000 })
        a.stop()
        await done('POST', 'upstreams/echo/instances/a/undrain', {})
        // Only now can a call come upon the one that ended.
        const upTo = calls() + 80
        await until(
          async () => calls() > upTo && ((await it.gateway.counters()).retried ?? 0) > 0,
          { deadlineMs: 20_000, what: 'a call that was tried again' },
        )
        isOver = true
        await Promise.all(callers)
        t.same([...codes.keys()], [OK], JSON.stringify([...codes]))
      },
    )
  })
}

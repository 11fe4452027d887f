// Connections to an nginx that was started with everything else down: what the controller left on
// disk serves them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startControlled } from '../../support/controlled.js'
import type { GatewayKind } from '../../../lab/nginx/gateway.js'
import { freePort } from '../../../lab/ports.js'
import { startTcp, startTls, startUdp } from '../../../lab/backends/stream-backend.js'
import { askUdp, greeted, openTls } from '../../../lab/stream-client.js'
import type { StreamBackend } from '../../../lab/backends/stream-backend.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const KINDS: GatewayKind[] = ['njs', 'qjs', 'stable']
const authority = await makeAuthority(temporaryFolder(t, 'ca'))

/** Who greets inside of TLS; '' where the connection is closed, `ours` where nginx ends it. */
async function greetedTls(port: number, name: string, ours: string): Promise<string> {
  const client = await openTls(port, name)
  const { fingerprint } = client
  const who = fingerprint === '' ? '' : fingerprint === ours ? 'ours' : await client.line()
  await client.end()
  return who
}

for (const kind of KINDS) {
  t.test(kind, async (t) => {
    const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()))
    const [tcp = 0, tuned = 0, proxied = 0, named = 0, split = 0, unused = 0] = ports
    const streamPorts = ports.join(' ')
    const tunedPorts = [tuned, proxied, named].join(' ')
    const settings = { streamPorts, tunedPorts }
    const it = await startControlled(t, { kind, passthrough: true, ...settings, settings })
    const { gateway } = it
    const pem = await authority.issue(['db.test', 'a.wild.test'])
    const [a, b, gone] = [await startTcp(t, 'a'), await startTcp(t, 'b'), await startTcp(t, 'gone')]
    const [exact, wild] = [await startTls(t, 'exact', pem), await startTls(t, 'wild', pem)]
    const dns = await startUdp(t, 'dns')

    const put = (path: string, body: object) => ({ method: 'PUT', path, body })
    const up = (upstream: string, { id, host, port }: StreamBackend, more = {}) =>
      put(`/v1/upstreams/${upstream}/instances/${id}`, { host, port, ...more })
    const route = (id: string, body: object) => put(`/v1/routes/${id}`, body)
    const operations = [
      // Whoever does not answer is passed over here too.
      ...[up('db', a), up('db', gone), up('other', b), up('spare', b, { backup: true })],
      ...[up('exact', exact), up('wild', wild), up('dns', dns)],
      put('/v1/upstreams/nobody', {}),
      route('tcp', { port: tcp, protocol: 'tcp', upstream: 'db' }),
      route('udp', { port: tcp, protocol: 'udp', upstream: 'dns' }),
      route('tuned', { port: tuned, protocol: 'tcp', upstream: 'db', timeouts: { idleMs: 60000 } }),
      route('told', { port: proxied, protocol: 'tcp', upstream: 'db', proxyProtocol: 'v1' }),
      route('own', { port: named, protocol: 'tcp', upstream: 'db' }),
      route('named', { port: named, sni: ['db.test'], upstream: 'exact' }),
      route('split', {
        port: split,
        protocol: 'tcp',
        split: [
          { upstream: 'other', weight: 1 },
          { upstream: 'spare', weight: 1 },
        ],
      }),
      route('exact', {
        sni: ['db.test', '_db._tcp.test', `${'l'.repeat(60)}.test`],
        upstream: 'exact',
      }),
      route('wild', { sni: ['*.wild.test'], upstream: 'wild' }),
      route('closed', { sni: ['closed.wild.test'], upstream: 'nobody' }),
      route('introduced', { sni: ['told.wild.test'], upstream: 'wild', proxyProtocol: 'v1' }),
    ]
    const { status, body } = await it.call('POST', '/v1/batch', { operations })
    t.equal(status, 200, JSON.stringify(body).slice(0, 300))
    t.same(await greeted(unused, 1), { '': 1 })
    const file = join(gateway.home, 'fallback/stream-upstreams.conf')
    await until(() => readFileSync(file, 'utf8').includes('sluice_s_split'), {
      deadlineMs: 20_000,
      what: 'the file',
    })
    await it.stop()
    await gone.stop()
    await gateway.restart()
    t.match(await gateway.state(), { epoch: 0, whole: false })

    t.same(await greeted(tcp, 6), { a: 6 })
    t.same(await greeted(tuned, 2), { a: 2 }, 'without its own time')
    t.same(await greeted(split, 2), { b: 2 })
    t.match(await askUdp(tcp, 'x'), /dns/)
    t.same(await greeted(proxied, 1), { '': 1 }, 'an instance that expects the PROXY header waits')
    t.same(await greeted(named, 1), { '': 1 }, 'a port with names')
    t.same(await greeted(unused, 1), { '': 1 })

    const ours = (await openTls(gateway.httpsPort, 'else.test')).fingerprint
    t.not(ours, '')
    const who = (name: string): Promise<string> => greetedTls(gateway.httpsPort, name, ours)
    t.equal(await who('db.test'), 'exact')
    t.equal(await who('DB.test'), 'exact')
    t.equal(await who('_db._tcp.test'), 'exact')
    t.equal(await who(`${'l'.repeat(60)}.test`), 'exact', 'too long for a hash')
    t.equal(await who('a.wild.test'), 'wild')
    t.equal(await who('a.b.wild.test'), 'wild')
    t.equal(await who('wild.test'), 'ours')
    t.equal(await who('closed.wild.test'), '', 'it has nobody, and is not the wildcard’s')
    t.equal(await who('told.wild.test'), '')

    await it.start()
    await until(async () => (await gateway.state()).whole, { what: 'the table' })
    await until(() => it.controller.stream().connected, { what: 'the link to stream{}' })
    await until(async () => (await greeted(proxied, 1)).a === 1, { what: 'the table of stream{}' })
    t.same(await greeted(tcp, 4), { a: 4 })
  })
}

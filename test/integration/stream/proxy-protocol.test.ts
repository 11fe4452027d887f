// Proxies in front that name the client by the PROXY protocol: over HTTP, TLS and TCP, believed and
// not.
import t from 'tap'
import type { Test } from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startControlled } from '../../support/controlled.js'
import type { GatewayOptions, GatewayKind } from '../../../lab/nginx/gateway.js'
import { freePort } from '../../../lab/ports.js'
import {
  bytesFor,
  headersBy,
  lineFor,
  lineOf,
  openProxied,
  openProxiedTls,
} from '../../support/proxied.js'
import type { Proxied } from '../../support/proxied.js'
import { startTcp, startTls } from '../../../lab/backends/stream-backend.js'
import { greeted } from '../../../lab/stream-client.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const CLIENT = '203.0.113.7'
const TRUSTED = ['127.0.0.1/32']
const STRANGER = '127.0.0.2'

async function setUp(t: Test, kind: GatewayKind, more: Partial<GatewayOptions> = {}) {
  const [port, plain] = [await freePort(), await freePort()]
  const streamPorts = `${port} ${plain}`
  const it = await startControlled(t, {
    ...{ kind, passthrough: true, streamPorts, settings: { streamPorts }, ...more },
    proxied: ({ httpPort, httpsPort }) => ({
      proxyProtocolPorts: [httpPort, httpsPort, port].join(' '),
      trustedProxies: TRUSTED,
    }),
  })
  const done = async (method: string, path: string, body?: unknown): Promise<void> => {
    const answer = await it.call(method, path, body)
    t.match(answer, { status: /20[01]/, body: { applied: true } }, `${method} ${path}`)
  }
  await until(() => it.controller.stream().connected, { what: 'the link to stream{}' })
  const instance = async (upstream: string, each: { id: string; host: string; port: number }) =>
    done('PUT', `/v1/upstreams/${upstream}/instances/${each.id}`, {
      host: each.host,
      port: each.port,
    })
  return { ...it, ...it.gateway, done, instance, port, plain }
}

async function web(t: Test, { done, instance }: Awaited<ReturnType<typeof setUp>>) {
  await instance('web', await startBackend(t, 'w'))
  await done('PUT', '/v1/routes/web', { hosts: ['app.test'], upstream: 'web' })
  await done('PUT', '/v1/certificates/app', await authority.issue(['app.test', 'db.test']))
}

/** Who greets at the other end, for clients of these addresses, one after the other. */
async function greetedBy(proxied: Proxied[], name?: string): Promise<string[]> {
  const who: string[] = []
  for (const each of proxied) {
    const socket = name === undefined ? openProxied(each) : openProxiedTls(each, name)
    who.push(await lineOf(socket))
    socket.destroy()
  }
  return who
}

const CLIENTS = Array.from({ length: 20 }, (_, i) => `203.0.113.${i + 1}`)

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(`${kind}: requests show the client that the header names`, async (t) => {
    const it = await setUp(t, kind)
    await web(t, it)
    const { httpPort: port, httpsPort } = it
    const heads: Array<[string, Buffer]> = [
      [CLIENT, lineFor(CLIENT)],
      [CLIENT, bytesFor(CLIENT)],
      ['2001:db8::7', lineFor('2001:db8::7')],
    ]
    for (const [client, head] of heads) {
      const seen = { 'x-real-ip': client, 'x-forwarded-for': client }
      const socket = openProxied({ port, head })
      t.match(await headersBy(socket, 'app.test'), seen)
      t.match(await headersBy(socket, 'app.test'), seen, 'the next one of the connection')
      socket.destroy()
      const inside = openProxiedTls({ port: httpsPort, head }, 'app.test')
      const expected = { ...seen, 'x-forwarded-proto': 'https', 'x-forwarded-port': `${httpsPort}` }
      t.match(await headersBy(inside, 'app.test'), expected, 'TLS')
      inside.destroy()
    }
    const head = lineFor(CLIENT)
    for (const socket of [
      openProxied({ port, head, from: STRANGER }),
      openProxiedTls({ port: httpsPort, head, from: STRANGER }, 'app.test'),
    ]) {
      t.match(await headersBy(socket, 'app.test'), { 'x-real-ip': STRANGER }, 'not believed')
      socket.destroy()
    }
    t.equal(await headersBy(openProxied({ port }), 'app.test'), undefined, 'closed without')
    const logged = () => new Set(it.accessLog().map(({ client }) => client))
    await until(() => logged().size === 3)
    t.same([...logged()].sort(), [STRANGER, '2001:db8::7', CLIENT].sort())
  })

  t.test(`${kind}: which peer a client's address chooses`, async (t) => {
    const it = await setUp(t, kind)
    const { done, instance, port, plain, httpsPort } = it
    const pem = await authority.issue(['db.test'])
    for (const id of ['a', 'b']) {
      await instance('db', await startTcp(t, id))
      await instance('tls', await startTls(t, id, pem))
    }
    const policy = { balance: 'hash', hash: { key: 'address' } }
    for (const upstream of ['db', 'tls']) {
      await done('PUT', `/v1/upstreams/${upstream}`, { policy })
    }
    await done('PUT', '/v1/routes/db', { port, protocol: 'tcp', upstream: 'db' })
    await done('PUT', '/v1/routes/plain', { port: plain, protocol: 'tcp', upstream: 'db' })
    await done('PUT', '/v1/routes/tls', { sni: ['db.test'], upstream: 'tls' })
    for (const [at, name] of [[port], [httpsPort, 'db.test']] as Array<[number, string?]>) {
      const clients = CLIENTS.map((client) => ({ port: at, head: lineFor(client) }))
      const who = await greetedBy(clients, name)
      t.same([...new Set(who)].sort(), ['a', 'b'])
      t.same(await greetedBy(clients, name), who, 'always the same')
      const strange = clients.map((client) => ({ ...client, from: STRANGER }))
      t.equal(new Set(await greetedBy(strange, name)).size, 1, 'not believed')
    }
    t.same(await greetedBy([{ port, head: Buffer.from('I am no header\r\n') }]), [''])
    t.equal(Object.keys(await greeted(plain, 3)).join().length, 1, 'a port without')
    await done('PUT', '/v1/routes/named', { sni: ['db.test'], port, upstream: 'tls' })
    const named = { port, head: lineFor(CLIENT) }
    t.match(await greetedBy([named], 'db.test'), [/^[ab]$/], 'where the port has names')
    t.notMatch(it.errorLog(), /\[(emerg|alert|crit)\]|exception/)
  })
}

t.test('TLS that http{} itself listens for', async (t) => {
  const it = await setUp(t, 'stable', { passthrough: false })
  await web(t, it)
  const head = lineFor(CLIENT)
  const ask = (from?: string) =>
    headersBy(
      openProxiedTls({ port: it.httpsPort, head, ...(from && { from }) }, 'app.test'),
      'app.test',
    )
  t.match(await ask(), { 'x-real-ip': CLIENT })
  t.match(await ask(STRANGER), { 'x-real-ip': STRANGER })
})

// Upstreams whose instances come from DNS: a real nginx, two controllers, and a real DNS server.
import { createServer } from 'node:http'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import { silentLogger } from '../../../runtime/logger.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'
import { testSettings } from '../../support/control.js'
import { startControlled } from '../../support/controlled.js'
import { a, startDnsServer } from '../../support/dns-server.js'

interface UpstreamView {
  instances: Array<{ id: string; state: string; weight: number; backup?: true; dns?: string }>
  dnsNames: Array<{ name: string; type: string; state: string; reason?: string; records: number }>
}

t.setTimeout(90_000)

t.test('what names answer serves, by their TTL, and stays while DNS fails', async (t) => {
  const dns = await startDnsServer(t)
  const one = await startBackend(t, 'one')
  const two = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ id: 'two' }))
  })
  await new Promise<void>((resolve) => two.listen(one.port, '127.0.0.2', resolve))
  t.teardown(() => two.close())
  const resolvers = [{ host: dns.host, port: dns.port }]
  const controlled = await startControlled(t, { kind: 'njs', settings: { resolvers } })
  const { call, gateway } = controlled
  const show = async (name: string) =>
    (await call('GET', `/v1/upstreams/${name}`)).body as UpstreamView
  const ids = async (name: string) => (await show(name)).instances.map(({ id }) => id)
  const who = async (): Promise<unknown> => {
    const answer = await gateway.ask({ path: '/', headers: { host: 'web.localhost' } })
    return answer.status === 200 ? (answer.json as { id: string }).id : answer.status
  }
  const [first, second] = [`dns:127.0.0.1:${one.port}`, `dns:127.0.0.2:${one.port}`]

  dns.names.set('web.internal', [a('web.internal', '127.0.0.1', 1)])
  const names = { dns: [{ name: 'web.internal', port: one.port }] }
  t.equal((await call('PUT', '/v1/upstreams/web', names)).status, 201)
  await until(async () => (await who()) === 'one', { what: 'the name to be served' })
  t.match((await show('web')).instances, [{ id: first, state: 'up', dns: 'web.internal' }])
  t.match((await show('web')).dnsNames, [{ name: 'web.internal', type: 'A', state: 'good' }])

  // Another controller of the same registry, with an older one's answers, comes to the same ids.
  const other = await Controller.make({
    settings: testSettings(temporaryFolder(t, 'other'), {
      ...{ resolvers, mode: 'file', httpPort: gateway.httpPort },
    }),
    ...{ registry: controlled.registry, log: silentLogger },
  })
  other.start()
  t.teardown(() => other.close())
  const idsOfOther = () => [...(other.desired().upstreams.get('web')?.instances.keys() ?? [])]
  await until(() => idsOfOther().includes(first), { what: 'the other controller to resolve' })

  dns.names.set('web.internal', [a('web.internal', '127.0.0.2', 1)])
  await until(async () => (await who()) === 'two', { what: 'the new address to be served' })
  await until(() => idsOfOther().join() === second, { what: 'the other to have it, too' })

  await t.test('an instance can be drained, but not changed', async (t) => {
    const url = `/v1/upstreams/web/instances/${second}`
    t.equal((await call('POST', `${url}/drain`, {})).status, 200)
    t.match((await show('web')).instances, [{ id: second, state: 'draining' }])
    await until(
      () => other.desired().upstreams.get('web')?.instances.get(second)?.override !== undefined,
    )
    t.equal((await call('POST', `${url}/undrain`, {})).status, 200)
    const refused = await call('DELETE', url)
    t.equal(refused.status, 409)
    t.match(refused.body.detail, /comes from DNS \(web\.internal\)/)
    t.equal((await call('PATCH', url, { weight: 5 })).status, 409)
  })

  await t.test('failures keep what was answered last, over a restart too', async (t) => {
    const stale = async () => (await show('web')).dnsNames[0]
    const isStale = (reason: RegExp) => async () => reason.test((await stale())?.reason ?? '')
    dns.fault = 'SERVFAIL'
    await until(isStale(/SERVFAIL/), { what: 'the failure to be seen' })
    t.equal(await who(), 'two')
    dns.fault = 'silent'
    await controlled.stop()
    await controlled.start()
    t.same(await ids('web'), [second])
    t.equal(await who(), 'two')
    await until(isStale(/no answer within/), { what: 'the silence to be seen' })
    dns.fault = undefined
    dns.names.delete('web.internal')
    await until(isStale(/NXDOMAIN/), { what: 'the name to be gone' })
    t.equal(await who(), 'two')
    const isFound = () => controlled.controller.findings().some(({ code }) => code === 'dns_stale')
    await until(isFound, { what: 'the finding' })
    const metrics = await controlled.controller.metrics.promRegistry.metrics()
    t.match(metrics, /sluice_dns_stale_seconds [1-9]/)
  })

  await t.test(
    'SRV: targets at their ports, backups by priority, over TCP if need be',
    async (t) => {
      const name = '_http._tcp.shop.internal'
      const srv = (target: string, priority: number, weight: number) =>
        ({ type: 'SRV', name, ttl: 1, data: { target, port: one.port, priority, weight } }) as const
      dns.isTruncating = true
      dns.names.set(name, [srv('a.internal', 1, 3000), srv('b.internal', 2, 1500)])
      const alias = { type: 'CNAME', name: 'a.internal', data: 'c.internal', ttl: 9 } as const
      dns.names.set('a.internal', [alias, a('c.internal', '127.0.0.1', 9)])
      dns.names.set('b.internal', [a('b.internal', '127.0.0.2', 9)])
      t.equal((await call('PUT', '/v1/upstreams/shop', { dns: [{ srv: name }] })).status, 201)
      await until(async () => (await ids('shop')).length === 2, { what: 'both targets' })
      t.match((await show('shop')).instances, [
        { id: first, weight: 1000, dns: name },
        { id: second, weight: 500, backup: true },
      ])
      t.ok(dns.asked.includes(`tcp SRV ${name}`))
      dns.isTruncating = false
    },
  )

  await t.test(
    'one question for a name, however many upstreams; own addresses refused',
    async (t) => {
      dns.names.set('many.internal', [a('many.internal', '127.0.0.1', 300)])
      await other.close()
      for (let i = 0; i < 5; i++) {
        const more = {
          dns: [{ name: 'many.internal', port: gateway.httpPort + (i === 0 ? 0 : 1) }],
        }
        await call('PUT', `/v1/upstreams/many${i}`, more)
      }
      await until(async () => (await ids('many4')).length === 1)
      t.equal(dns.asked.filter((one) => one === 'udp A many.internal').length, 1)
      t.same(await ids('many0'), [])
      t.match((await show('many0')).dnsNames, [{ reason: /Sluice itself listens/ }])
      await call('PATCH', '/v1/upstreams/many4', { dns: null })
      await until(async () => (await ids('many4')).length === 0)
    },
  )
})

/** What an agent may write through the API: what is its own, and what labels can say. */
import t from 'tap'
import { openHttp } from '../../../registry/http/registry.js'
import type { RegistryOperation } from '../../../registry/registry.js'
import { agentRoutePrefix } from '../../../runtime/agent-routes.js'
import { silentLogger } from '../../../runtime/logger.js'
import type { Logger } from '../../../runtime/logger.js'
import { testApi } from '../../support/api.js'
import { until } from '../../../lab/until.js'

const ROUTE = `routes/${agentRoutePrefix('one')}1`
const RIVAL = `routes/${agentRoutePrefix('two')}1`

function put(key: string, record: object, more: object = {}): RegistryOperation {
  return { type: 'put', key, value: JSON.stringify(record), ...more }
}

t.test('an agent writes its own records, and each of them is in the log', async (t) => {
  const lines: object[] = []
  const log: Logger = { ...silentLogger, info: (fields: object) => lines.push(fields) }
  const { api, raw } = await testApi(t, { log })
  const agents = ['one', 'two'].map((agent) =>
    openHttp({ url: api.url, token: api.token, agent, log: silentLogger }),
  )
  t.teardown(() => Promise.all(agents.map((each) => each.close())))
  const [one, two] = agents as [(typeof agents)[0], (typeof agents)[0]]
  const instance = { host: '10.0.0.1', port: 80, agent: 'one', ttlMs: 15_000 }
  const route = { hosts: ['a.test'], pathPrefix: '/', upstream: 'web' }
  const lease = (await one.grant({ ttlMs: 15_000 })).id
  const key = 'instances/web/a'
  const own = [
    put(key, instance, { lease }),
    put('hosts/one', { address: '10.0.0.1', containers: 1 }, { lease }),
    put(ROUTE, { ...route, rewrite: { stripPrefix: true } }),
    put('upstreams/web', { policy: { balance: 'leastConn' } }, { ifRevision: 0 }),
  ]
  await one.commit(own)
  const audited = lines.filter((line) => 'audit' in line)
  t.match(
    audited,
    own.map((operation) => ({ who: 'token', agent: 'one', op: 'put', key: operation.key })),
  )
  await two.commit([put(RIVAL, { ...route, hosts: ['b.test'], upstream: 'other' })])
  const first = { ifRevision: 0 }
  const ofTraefik = {
    ...{ methods: ['GET'], headers: { 'x-a': '1' }, rewrite: { replacePrefix: '/x' } },
    ...{ redirect: { scheme: 'https', status: 301 }, requestHeaders: { set: { 'X-B': '2' } } },
  }
  await one.commit([
    put(ROUTE, { ...route, ...ofTraefik }),
    put('upstreams/of-angie', { policy: { eject: { maxFails: 5 }, slowStartMs: 1000 } }, first),
    put('upstreams/of-nginx-proxy', { tls: { verify: false } }, first),
    put('upstreams/of-a-file', { dns: [{ name: 'web.test', port: 80 }] }, first),
  ])
  const seen = (await two.get(ROUTE)).entry?.revision ?? 0
  const refused: Array<[agent: typeof one, operation: RegistryOperation, why: RegExp]> = [
    [one, put('gateways/x', {}), /may not write gateways/],
    [one, put('presence/x', {}, { lease }), /may not write presence/],
    [one, put('instances/web/b', instance), /needs the agent’s lease/],
    [one, put('instances/web/b', { ...instance, agent: 'two' }, { lease }), /names another/],
    [one, put('instances/web/b', { host: '10.0.0.1', port: 80 }, { lease }), /names another/],
    [two, put(key, { ...instance, agent: 'two' }, { lease }), /not its own/],
    [two, { type: 'delete', key }, /not its own/],
    [two, { type: 'delete', key: 'hosts/one' }, /of another agent/],
    [two, { type: 'delete', key: ROUTE }, /of another agent/],
    [two, { type: 'delete', key: ROUTE, ifRevision: seen }, /of another agent/],
    [two, put(ROUTE, route), /of another agent/],
    [one, put(ROUTE, { ...route, hosts: ['*'] }), /every host/],
    [one, put(ROUTE, { ...route, pathPrefix: '/.well-known/acme-challenge' }), /challenges/],
    [one, put(ROUTE, { ...route, mirror: { upstream: 'web', percent: 1 } }), /field mirror/],
    [one, put(ROUTE, { hosts: ['a.test'], redirect: { host: 'x.test' } }), /field host/],
    [
      one,
      put('upstreams/new', { tls: { serverName: 'x.test' } }, { ifRevision: 0 }),
      /field serverName/,
    ],
  ]
  const before = (await one.list('')).entries
  for (const [agent, operation, why] of refused) {
    const name = JSON.stringify(operation)
    await t.rejects(agent.commit([operation]), { code: 'forbidden', message: why }, name)
  }
  t.same((await one.list('')).entries, before, 'nothing of it happened')
  const isOwner = (line: object) => 'key' in line && String(line.key).startsWith('owners/')
  const written = lines.filter((line) => 'audit' in line && !isOwner(line))
  t.same(written.length, own.length + 5)

  // The host goes to another agent, which wants it for itself.
  await two.commit([
    { type: 'delete', key: ROUTE, ifRevision: seen },
    put(`routes/${agentRoutePrefix('two')}2`, route),
  ])
  const body = { operations: [{ type: 'delete', key }] }
  const headers = { authorization: `Bearer ${api.token}` }
  const nameless = await raw('/v1/registry/commit', { method: 'POST', body, headers })
  t.match(nameless, { status: 400, body: { field: 'agent' } })
  await one.commit([{ type: 'delete', key }])
})

t.test("an agent's id is its own while its lease lives", async (t) => {
  const lines: object[] = []
  const note = (fields: object, message?: string) => lines.push({ ...fields, message })
  const { api, control } = await testApi(t, { log: { ...silentLogger, info: note, warn: note } })
  const [home, start, other] = ['a', 'b', 'c'].map((each) => each.repeat(32)) as [
    string,
    string,
    string,
  ]
  const agentWith = (...secrets: string[]) => {
    const it = openHttp({
      url: api.url,
      token: api.token,
      agent: 'one',
      secrets,
      log: silentLogger,
    })
    t.teardown(() => it.close())
    return it
  }
  const own = agentWith(home, start)
  const lease = await own.grant({ ttlMs: 15_000 })
  const host = put('hosts/one', { address: '10.0.0.1', containers: 1 }, { lease: lease.id })
  const route = put(ROUTE, { hosts: ['a.test'], pathPrefix: '/', upstream: 'web' })
  await agentWith(other).commit([route])
  await own.commit([host])
  t.match((await control.registry.get('agents/one')).entry, {
    value: /^{"secrets":\["[0-9a-f]{64}"/,
  })

  for (const impostor of [agentWith(other), agentWith(), agentWith(other, other)]) {
    for (const operation of [route, host, { type: 'delete', key: ROUTE } as const]) {
      const why = { code: 'conflict', message: /agent one is another one/, field: 'agent' }
      await t.rejects(impostor.commit([operation]), why)
    }
  }
  await t.rejects(agentWith('short').commit([route]), { code: 'invalid', field: 'secret' })
  const { entry } = await own.get('agents/one')
  t.equal(entry, undefined, 'agents do not read it')
  const claim = put('agents/one', { secrets: [] }, { lease: lease.id })
  await t.rejects(own.commit([claim]), { code: 'forbidden' })

  await agentWith(home).commit([route])
  t.ok(true, 'after a restart of its machine')
  await agentWith(other, start).commit([host])
  await agentWith(other).commit([route])
  t.ok(true, 'with a new home, on a machine that was not restarted')
  t.match(JSON.stringify(lines), /"agent one is another one/, 'it is in the log')
  t.notMatch(JSON.stringify(lines), new RegExp([home, start, other].join('|')))

  await lease.revoke()
  await until(async () => (await control.registry.get('agents/one')).entry === undefined)
  const next = agentWith('d'.repeat(32))
  const { id } = await next.grant({ ttlMs: 15_000 })
  await next.commit([{ ...host, lease: id } as RegistryOperation])
  await t.rejects(own.commit([route]), { code: 'conflict' }, 'who was away is the other one now')
})

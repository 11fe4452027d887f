// The controller over a real nginx and the real embedded registry: what the registry says is what
// is served.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import type { ControllerEvent } from '../../../controller/views.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import type { Registry, RegistryOperation } from '../../../registry/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { makeLogger } from '../../../runtime/logger.js'
import { applied } from '../../support/applied.js'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { testSettings } from '../../support/control.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import type { Gateway, GatewayKind } from '../../../lab/nginx/gateway.js'
import { until } from '../../../lab/until.js'

const log = process.env.SLUICE_TEST_LOG === undefined ? silentLogger : makeLogger({ part: 'test' })

interface SetUp {
  gateway: Gateway
  registry: Registry
  controller: Controller
  events: ControllerEvent[]
  /** Ends the controller and starts another one on the same home and registry. */
  again(): Promise<void>
  put: (upstream: string, backend: Backend, more?: object) => Promise<number>
  commit: (...operations: RegistryOperation[]) => Promise<number>
  /** Who answers, over `n` requests to a host. */
  served: (host: string, n?: number) => Promise<Record<string, number>>
}

async function setUp(
  t: Parameters<typeof startGateway>[0],
  kind: GatewayKind,
  options: { tableBytes?: number; suspects?: object; registry?: Registry } = {},
): Promise<SetUp> {
  const gateway = await startGateway(t, { kind, ...options })
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    pool: gateway.pool ? 'auto' : 'off',
    poolPort: gateway.poolPort,
    httpPort: gateway.httpPort,
  })
  const own = options.registry === undefined
  const registry =
    options.registry ?? (await openEmbedded({ folder: join(gateway.home, 'registry'), log }))
  const events: ControllerEvent[] = []
  const start = async (): Promise<Controller> => {
    const { suspects } = options
    const made = await Controller.make({ settings, registry, log, ...(suspects && { suspects }) })
    made.subscribe((event) => events.push(event))
    made.start()
    await until(() => made.ready(), { what: 'the controller to be ready' })
    return made
  }
  const commit: SetUp['commit'] = async (...operations) =>
    (await registry.commit(operations)).revision
  const self: SetUp = {
    gateway,
    registry,
    events,
    controller: await start(),
    commit,
    again: async () => {
      await self.controller.close()
      self.controller = await start()
    },
    put: (upstream, { id, host, port }, more) => {
      const value = JSON.stringify({ host, port, ...more })
      return commit({ type: 'put', key: `instances/${upstream}/${id}`, value })
    },
    served: async (host, n = 20) => {
      const counts: Record<string, number> = {}
      for (let i = 0; i < n; i++) {
        const answer = await gateway.ask({ path: '/', headers: { host } })
        const who = answer.status === 200 ? (answer.json as { id: string }).id : `${answer.status}`
        counts[who] = (counts[who] ?? 0) + 1
      }
      return counts
    },
  }
  t.teardown(async () => {
    await self.controller.close()
    if (own) {
      await registry.close()
    }
  })
  return self
}

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(`${kind}: registered, served, drained, removed`, async (t) => {
    const a = await startBackend(t, 'a')
    const b = await startBackend(t, 'b')
    const { controller, put, commit, served, gateway } = await setUp(t, kind)
    t.same(await served('web.localhost', 1), { 404: 1 })
    await put('web', a)
    await applied(controller, await put('web', b))
    t.same(Object.keys(await served('web.localhost', 40)).sort(), ['a', 'b'])

    const value = JSON.stringify({ drain: true, atMs: 1 })
    const hold = gateway.ask({ path: '/?hold', headers: { host: 'web.localhost' } })
    await until(() => a.held() + b.held() === 1)
    const busy = a.held() === 1 ? a : b
    const other = busy === a ? b : a
    await applied(controller, await commit({ type: 'put', key: `overrides/web/${busy.id}`, value }))
    t.same(await served('web.localhost'), { [other.id]: 20 })
    t.same(await controller.active('web', [busy.id, other.id]), [1, 0])
    busy.release()
    t.equal((await hold).status, 200)
    await until(async () => (await controller.active('web', [busy.id]))[0] === 0)

    const keys = ['a', 'b'].map((id): RegistryOperation => ({
      type: 'delete',
      key: `instances/web/${id}`,
    }))
    await applied(controller, await commit(...keys))
    t.same(await served('web.localhost', 1), { 503: 1 }, 'nobody is in it, and it is known')
    t.same(await served('other.localhost', 1), { 404: 1 })
    t.match(controller.gateways()[0], { connected: true, lagMs: 0, workers: 2 })
  })
}

t.test('routes, prefixes, splits, and an upstream that nobody is in', async (t) => {
  const [a, b, c] = [
    await startBackend(t, 'a'),
    await startBackend(t, 'b'),
    await startBackend(t, 'c'),
  ]
  const { controller, put, commit, served, gateway } = await setUp(t, 'njs')
  await put('web', a)
  await put('api', b)
  await put('next', c)
  const route = (id: string, record: object): RegistryOperation => ({
    type: 'put',
    key: `routes/${id}`,
    value: JSON.stringify(record),
  })
  const revision = await commit(
    route('r1', { hosts: ['app.test'], upstream: 'web' }),
    route('r2', { hosts: ['app.test'], pathPrefix: '/api', upstream: 'api' }),
    route('r3', {
      hosts: ['*.test'],
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: 'next', weight: 1 },
      ],
    }),
    route('r4', { hosts: ['none.test'], upstream: 'nobody' }),
    route('r5', { hosts: ['web.localhost'], pathPrefix: '/api', upstream: 'api' }),
  )
  await applied(controller, revision)
  const who = async (host: string, path: string) => {
    const answer = await gateway.ask({ path, headers: { host } })
    return answer.status === 200 ? (answer.json as { id: string }).id : answer.status
  }
  t.equal(await who('app.test', '/'), 'a')
  t.equal(await who('app.test', '/api/x'), 'b')
  t.equal(await who('app.test', '/apix'), 'a')
  t.equal(await who('none.test', '/'), 503)
  t.equal(await who('nobody.localhost', '/'), 503, 'a route names it')
  t.equal(await who('nowhere.localhost', '/'), 404)
  t.equal(await who('web.localhost', '/api'), 'b')
  t.equal(await who('web.localhost', '/x'), 'a')
  t.same(Object.keys(await served('any.test', 40)).sort(), ['a', 'c'])
})

for (const kind of ['njs', 'byAddress'] as const) {
  t.test(`a canary by metadata, ${kind}`, async (t) => {
    const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
    const { controller, put, commit, served, gateway } = await setUp(t, kind)
    await put('web', a, { metadata: { version: '1' } })
    await put('web', b, { metadata: { version: '2' } })
    const route = (...split: object[]) =>
      commit({
        type: 'put',
        key: 'routes/canary',
        value: JSON.stringify({ hosts: ['app.test'], split }),
      })
    const v1 = { upstream: 'web', where: { version: '1' } }
    const v2 = { upstream: 'web', where: { version: '2' } }
    await applied(controller, await route({ ...v1, weight: 1 }, { ...v2, weight: 1 }))
    t.same(Object.keys(await served('app.test', 40)).sort(), ['a', 'b'])
    const when = { headers: { 'x-canary': 'always' } }
    const forced = await route({ ...v1, weight: 1 }, { ...v2, weight: 0, when })
    await applied(controller, forced)
    t.same(await served('app.test', 20), { a: 20 })
    const canary = () => gateway.ask({ headers: { host: 'app.test', 'x-canary': 'always' } })
    t.match(await canary(), { json: { id: 'b' } })
    await applied(
      controller,
      await put('web', b, { metadata: { version: '2' }, state: 'draining' }),
    )
    t.match(await canary(), { json: { id: 'a' } }, 'an arm of nobody leaves its requests to others')
    await applied(controller, await route({ upstream: 'web', where: { version: '3' }, weight: 1 }))
    t.equal((await canary()).status, 503)
  })
}

t.test('the pool takes peers in, and connections to them stay open', async (t) => {
  const a = await startBackend(t, 'a')
  const { controller, put, served } = await setUp(t, 'njs')
  await applied(controller, await put('web', a))
  const pooled = async () =>
    /sluice_pool_members (\d+)/.exec(await controller.metrics.promRegistry.metrics())?.[1]
  await until(async () => (await pooled()) === '1', { what: 'the pool to have it' })
  await until(() => controller.gateways()[0]?.lagMs === 0)
  await served('web.localhost', 4)
  const before = a.connections()
  await served('web.localhost', 30)
  t.ok(a.connections() - before <= 2, `${a.connections() - before} new connections`)
})

t.test(
  'a controller that comes back finds nothing to send; an nginx that does gets it all',
  async (t) => {
    const a = await startBackend(t, 'a')
    const self = await setUp(t, 'njs')
    await applied(self.controller, await self.put('web', a))
    await until(async () => (await self.gateway.state()).whole)
    await until(async () => {
      const page = await self.controller.metrics.promRegistry.metrics()
      return page.includes('sluice_pool_members 1')
    })
    await until(() => self.controller.gateways()[0]?.lagMs === 0)
    const { epoch, revision } = await self.gateway.state()
    const read = async () =>
      (await self.gateway.admin('POST', '/read', { keys: [':web', ':web#0', '@web.localhost'] }))
        .body
    const table = await read()
    await self.again()
    t.equal(await read(), table)
    const state = await self.gateway.state()
    t.ok(state.epoch > epoch)
    t.equal(state.revision, revision)
    t.same(await self.served('web.localhost', 5), { a: 5 })

    await self.gateway.restart()
    await until(async () => (await self.gateway.state()).whole)
    t.same(await self.served('web.localhost', 5), { a: 5 })
  },
)

t.test('a reload changes nothing and loses nothing', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await setUp(t, 'njs')
  await applied(self.controller, await self.put('web', a))
  const { epoch } = await self.gateway.state()
  await self.gateway.reload()
  t.same(await self.served('web.localhost', 5), { a: 5 })
  const b = await startBackend(t, 'b')
  await applied(self.controller, await self.put('web', b))
  t.equal((await self.gateway.state()).epoch, epoch)
})

t.test('whoever claims later owns the gateway', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await setUp(t, 'njs')
  await applied(self.controller, await self.put('web', a))
  const { epoch } = await self.gateway.state()
  const claimed = await self.gateway.admin('POST', '/claim', {
    epoch: epoch + 1_000_000,
    expect: epoch,
  })
  t.equal(claimed.status, 200)
  await until(() => self.controller.gateways()[0]?.connected === false)
  t.match(self.controller.gateways()[0]?.reason, /another controller/)
  t.match(
    await self.controller.metrics.promRegistry.metrics(),
    /push_failures_total\{reason="stale_epoch"\} 1/,
  )
  t.same(await self.served('web.localhost', 3), { a: 3 })
})

t.test('a full table keeps what it has, says so, and goes on when there is room', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await setUp(t, 'njs', { tableBytes: 256 * 1024 })
  await applied(self.controller, await self.put('web', a))
  const many = Array.from({ length: 60 }, (_, i): RegistryOperation => {
    const value = JSON.stringify({ host: '127.0.0.1', port: 10_000 + i })
    return { type: 'put', key: `instances/u${i}/x`, value }
  })
  await self.commit(...many)
  const reason = await until(() => self.controller.gateways()[0]?.reason, { what: 'a reason' })
  t.match(reason, /SLUICE_TABLE_SIZE/)
  t.equal(self.controller.gateways()[0]?.code, 'table_full')
  t.match(await self.controller.metrics.promRegistry.metrics(), /^sluice_dict_full 1$/m)
  t.same(await self.served('web.localhost', 5), { a: 5 })
  const gone = many.map(({ key }): RegistryOperation => ({ type: 'delete', key }))
  await applied(self.controller, await self.commit(...gone)).catch(() => undefined)
  await until(() => self.controller.gateways()[0]?.reason === undefined, { deadlineMs: 15_000 })
  const b = await startBackend(t, 'b')
  await applied(self.controller, await self.put('web', b))
  t.same(Object.keys(await self.served('web.localhost', 40)).sort(), ['a', 'b'])
})

t.test('in a full table drains and removals go through, whatever waits to be added', async (t) => {
  const backends = await Promise.all(['a', 'b', 'c'].map((id) => startBackend(t, id)))
  const self = await setUp(t, 'njs', { tableBytes: 256 * 1024 })
  for (const backend of backends) {
    await self.put('web', backend)
    await self.put('api', backend)
  }
  // More of one upstream than the table has room for; of others, too.
  const flood = Array.from({ length: 1500 }, (_, i): RegistryOperation => {
    const value = JSON.stringify({ host: '10.0.0.1', port: 10_000 + i, state: 'down' })
    const key = `instances/${i % 2 === 0 ? 'web' : `u${i % 100}`}/${'x'.repeat(50)}${i}`
    return { type: 'put', key, value }
  })
  for (let i = 0; i < flood.length; i += 500) {
    await self.commit(...flood.slice(i, i + 500))
  }
  const isFull = () => self.controller.gateways()[0]?.code === 'table_full'
  await until(isFull, { what: 'the table to be full', deadlineMs: 15_000 })
  const drain = JSON.stringify({ drain: true, atMs: 1 })
  await self.commit(
    ...['web', 'api'].map((upstream): RegistryOperation => {
      return { type: 'put', key: `overrides/${upstream}/b`, value: drain }
    }),
  )
  const servedBy = async (upstream: string) =>
    Object.keys(await self.served(`${upstream}.localhost`, 30)).sort()
  for (const upstream of ['api', 'web']) {
    await until(async () => !(await servedBy(upstream)).includes('b'), { what: `${upstream}/b` })
    t.same(await servedBy(upstream), ['a', 'c'])
  }
  await self.commit(
    { type: 'delete', key: 'instances/web/c' },
    { type: 'delete', key: 'instances/api/c' },
  )
  for (const upstream of ['api', 'web']) {
    await until(async () => !(await servedBy(upstream)).includes('c'), { what: `${upstream}/c` })
    t.same(await servedBy(upstream), ['a'])
  }
  t.ok(isFull(), 'and it is full all the while')
})

t.test(
  'a registry found empty at the start does not empty a full table until it is believed',
  async (t) => {
    const backends = await Promise.all(['a', 'b'].map((id) => startBackend(t, id)))
    const self = await setUp(t, 'njs', { suspects: { holdMs: 60_000 } })
    for (const backend of backends) {
      await self.put('web', backend)
    }
    await applied(self.controller, await self.put('api', backends[0] as Backend))
    await self.controller.close()
    const keys = ['instances/web/a', 'instances/web/b', 'instances/api/a']
    await self.commit(...keys.map((key): RegistryOperation => ({ type: 'delete', key })))
    await self.again()
    t.same(
      self.controller
        .suspects()
        .map(({ upstream }) => upstream)
        .sort(),
      ['api', 'web'],
    )
    t.same(Object.keys(await self.served('web.localhost', 40)).sort(), ['a', 'b'])
    t.ok(self.events.some(({ type }) => type === 'suspect'))
    self.controller.confirmSuspects()
    await until(async () => (await self.served('web.localhost', 1))['503'] === 1)
    t.same(self.controller.suspects(), [])
  },
)

t.test('the fallback serves alone, and a damaged one is replaced', async (t) => {
  const a = await startBackend(t, 'a')
  const b = await startBackend(t, 'b')
  const self = await setUp(t, 'njs')
  const route = { hosts: ['app.test'], pathPrefix: '/api', upstream: 'web' }
  await self.commit({ type: 'put', key: 'routes/r', value: JSON.stringify(route) })
  await applied(self.controller, await self.put('web', a))
  const file = join(self.gateway.home, 'fallback/sluice-upstreams.conf')
  await until(() => existsSync(file) && readFileSync(file, 'utf8').includes(`:${a.port}`))
  const first = readFileSync(file, 'utf8')
  await applied(self.controller, await self.put('web', b))
  await until(() => readFileSync(file, 'utf8').includes(`:${b.port}`), { what: 'the second file' })
  t.equal(readFileSync(`${file}.previous`, 'utf8'), first)

  await self.controller.close()
  await self.gateway.restart()
  t.equal((await self.gateway.state()).epoch, 0)
  t.same(Object.keys(await self.served('web.localhost', 20)).sort(), ['a', 'b'])
  const ask = (host: string, path: string) => self.gateway.ask({ path, headers: { host } })
  t.equal((await ask('app.test', '/api/x')).status, 200)
  t.equal((await ask('app.test', '/x')).status, 404)
  t.equal((await ask('other.test', '/')).status, 404)

  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 300))
  await self.again()
  await until(() => existsSync(`${file}.damaged`), { what: 'the damaged file put aside' })
  const isGood = () => existsSync(file) && readFileSync(file, 'utf8').includes(`:${b.port}`)
  await until(isGood, { what: 'a good file again' })
})

t.test(
  'two controllers on one registry report to each other what they applied and what drains',
  async (t) => {
    const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
    const one = await setUp(t, 'njs')
    const two = await setUp(t, 'byAddress', { registry: one.registry })
    await until(
      () => one.controller.gateways().length === 2 && two.controller.gateways().length === 2,
    )
    await one.put('web', a)
    await applied(one.controller, await one.put('web', b))
    t.ok((await two.served('web.localhost', 20))['a'])
    const holds = [one, two].map((each) =>
      each.gateway.ask({ path: '/?hold', headers: { host: 'web.localhost' } }),
    )
    await until(() => a.held() + b.held() === 2)
    const value = JSON.stringify({ drain: true, atMs: 1 })
    const drain = ['a', 'b'].map((id): RegistryOperation => ({
      type: 'put',
      key: `overrides/web/${id}`,
      value,
    }))
    await applied(one.controller, await one.commit(...drain))
    t.same(await two.served('web.localhost', 3), { 503: 3 })
    const total = async () => {
      const counts = await one.controller.active('web', ['a', 'b'])
      return counts.reduce<number>((sum, count) => sum + (count ?? NaN), 0)
    }
    await until(async () => (await total()) === 2, { what: 'both to be counted' })
    a.release()
    b.release()
    await Promise.all(holds)
    await until(async () => (await total()) === 0, { what: 'both to be done' })
  },
)

t.test('a thousand upstreams: batches, then single changes, all of them served', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await setUp(t, 'njs', { tableBytes: 64 * 1024 * 1024 })
  const value = JSON.stringify({ host: a.host, port: a.port })
  const many = Array.from({ length: 1000 }, (_, i): RegistryOperation => ({
    type: 'put',
    key: `instances/u${i}/x`,
    value,
  }))
  await applied(self.controller, await self.commit(...many))
  for (const i of [0, 499, 999]) {
    t.same(await self.served(`u${i}.localhost`, 1), { a: 1 })
  }
  const { revision } = await self.gateway.state()
  t.equal(revision, self.controller.desired().revision)
  const some = many
    .filter((_, i) => i % 2 === 0)
    .map(({ key }): RegistryOperation => ({ type: 'delete', key }))
  await applied(self.controller, await self.commit(...some))
  t.same(await self.served('u0.localhost', 1), { 503: 1 })
  t.same(await self.served('u1.localhost', 1), { a: 1 })
  await self.again()
  t.same(await self.served('u0.localhost', 1), { 503: 1 }, 'known across a restart')
  t.same(await self.served('u999.localhost', 1), { a: 1 })
})

t.test('what a route does is changed live, and a new controller finds it as it is', async (t) => {
  const web = await startBackend(t, 'web')
  const self = await setUp(t, 'njs')
  const { gateway, put, commit } = self
  const change = async (more: object): Promise<void> => {
    const record = { hosts: ['docs.test'], pathPrefix: '/docs', upstream: 'web', ...more }
    const value = JSON.stringify(record)
    await applied(self.controller, await commit({ type: 'put', key: 'routes/docs', value }))
  }
  const see = async (): Promise<string> => {
    const { status, json } = await gateway.ask({ host: 'docs.test', path: '/docs/a' })
    return status === 200 ? (json as { url: string }).url : `${status}`
  }
  await put('web', web)
  await change({ rewrite: { stripPrefix: true } })
  t.equal(await see(), '/a')
  await self.again()
  await applied(self.controller, self.controller.desired().revision)
  t.equal(await see(), '/a')
  await change({ rewrite: { replacePrefix: '/v2' }, maintenance: { status: 503 } })
  t.equal(await see(), '503')
  await change({ rewrite: { replacePrefix: '/v2' } })
  t.equal(await see(), '/v2/a')
  await change({})
  t.equal(await see(), '/docs/a')
  await applied(self.controller, await commit({ type: 'delete', key: 'routes/docs' }))
  t.equal(await see(), '404')
})

/** The source `consul` against a real Consul, which is killed, frozen out and emptied. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { openConsul } from '../../../agent/sources/consul/consul.js'
import type { SourceLevel } from '../../../agent/sources/source.js'
import type { StreamRouteRecord } from '../../../contract/record/stream-route.js'
import type { RouteRecord } from '../../../contract/record/route.js'
import { makeLogger } from '../../../runtime/logger.js'
import { startConsul, type Consul } from '../../../lab/engines/consul.js'
import { until } from '../../../lab/until.js'

const log = makeLogger({ part: 'agent', level: 'silent' })

interface Followed {
  levels: SourceLevel[]
  aways: Array<string | undefined>
  /** `<upstream> <host>:<port> <weight> <state>` of the last level. */
  now(): string[]
  last(): SourceLevel
  stop(): Promise<void>
}

const plain = { token: undefined, tokenFile: undefined, datacenter: undefined, ca: undefined }
const machine = { agent: 'm1', allowLoopback: true }

function sourceOf(url: string, more: { tag?: string; isWarningServed?: boolean } = {}) {
  const { tag, isWarningServed = false } = more
  return openConsul({ ...plain, url, tag, isWarningServed, machine, log })
}

function follow(url: string, more: { tag?: string; isWarningServed?: boolean } = {}): Followed {
  const [levels, aways, ending] = [
    [] as SourceLevel[],
    [] as Array<string | undefined>,
    new AbortController(),
  ]
  const running = sourceOf(url, more).run(ending.signal, {
    onLevel: (level) => levels.push(level),
    onAway: (reason) => aways.push(reason),
  })
  const last = () => levels.at(-1) as SourceLevel
  return {
    ...{ levels, aways, last },
    now: () =>
      (levels.at(-1)?.instances ?? [])
        .map(({ upstream, record: { host, port, weight, state } }) =>
          [upstream, `${host}:${port}`, weight, state].join(' '),
        )
        .sort(),
    stop: async () => {
      ending.abort()
      await running
    },
  }
}

async function shows(followed: Followed, ...lines: string[]): Promise<void> {
  const is = () => followed.now().join() === lines.join()
  await until(is, { what: `${lines.join()}`, deadlineMs: 15_000 }).catch((cause: unknown) => {
    throw new Error(`instead: ${followed.now().join()}`, { cause })
  })
}

const byFrom = (a: { from: string }, b: { from: string }): number => (a.from < b.from ? -1 : 1)

const register = (consul: Consul, service: object): Promise<void> =>
  consul.put('agent/service/register', { Port: 80, ...service })

t.test('the catalog of a real Consul', async (t) => {
  const consul = await startConsul()
  t.teardown(() => consul.stop())

  await t.test('appears, changes, drains, vanishes', async (t) => {
    const followed = follow(consul.url)
    t.teardown(() => followed.stop())
    await shows(followed)
    const web = { Name: 'Web_App', Address: '10.0.0.7', Meta: { version: '2' }, Tags: ['http'] }
    await register(consul, { ...web, ID: 'w1', Weights: { Passing: 10, Warning: 2 } })
    await shows(followed, 'web-app 10.0.0.7:80 10 up')
    const [instance] = followed.last().instances
    t.equal(instance?.id, 'm1:consul:node1:w1')
    t.match(instance?.record.metadata, { version: '2', tags: 'http', node: 'node1' })
    await register(consul, { ...web, ID: 'w2', Weights: { Passing: 5000, Warning: 1 } })
    await shows(followed, 'web-app 10.0.0.7:80 1000 up', 'web-app 10.0.0.7:80 2 up')
    t.match(followed.last().warnings, [{ name: 'Web_App', text: /scaled down/ }])
    await consul.put('agent/service/deregister/w2')
    await shows(followed, 'web-app 10.0.0.7:80 10 up')
    await consul.put('agent/service/maintenance/w1?enable=true&reason=upgrade')
    await shows(followed, 'web-app 10.0.0.7:80 10 draining')
    t.equal(followed.last().instances[0]?.record.reason, 'in maintenance: upgrade')
    await consul.put('agent/service/maintenance/w1?enable=false')
    await shows(followed, 'web-app 10.0.0.7:80 10 up')
    await consul.put('agent/service/deregister/w1')
    await shows(followed)
    t.same(followed.aways, [])
    t.ok(followed.levels.length < 30, `${followed.levels.length} levels are no busy loop`)
  })

  await t.test('tags and metadata lead to it; what is wrong is refused by name', async (t) => {
    await register(consul, {
      ...{ ID: 'a', Name: 'app', Address: '10.0.0.8' },
      Tags: ['sluice.host=app.example.com', 'blue'],
      Meta: { sluice_path: '/api', sluice_strip_prefix: 'true', sluice_max_conns: '7' },
    })
    await register(consul, { ID: 'b', Name: 'db-9104', Address: '10.0.0.9', Tags: ['tcp'] })
    await register(consul, { ID: 'c', Name: 'bad', Meta: { sluice_weight: 'much' } })
    await register(consul, { ID: 'd', Name: 'APP', Address: '10.0.0.10' })
    await register(consul, { ID: 'e', Name: 'e', Address: 'no such host' })
    await register(consul, { ID: 'f', Name: 'f', Address: 'localhost' })
    await register(consul, { ID: 'g', Name: 'g', Meta: { sluice_enable: 'false' } })
    await register(consul, { ID: 'j', Name: 'j-9999', Address: '10.0.0.9', Tags: ['tcp'] })
    const level = await sourceOf(consul.url).readOnce()
    const upstreams = level.instances.map(({ upstream }) => upstream)
    t.same(upstreams.sort(), ['app', 'db-9104', 'f', 'j-9999'])
    t.same(
      level.routes.sort(byFrom).map(({ record }) => {
        const { hosts, pathPrefix, rewrite, port } = record as RouteRecord & StreamRouteRecord
        return [hosts?.join() ?? port, pathPrefix, rewrite?.stripPrefix]
      }),
      [
        ['app.example.com', '/api', true],
        [9104, undefined, undefined],
      ],
    )
    t.match(level.refused.map(({ name, text }) => `${name}: ${text}`).sort(), [
      /^APP\/node1:d: "APP" and "app" are both app/,
      /^bad\/node1:c: sluice.weight "much" must be a whole number/,
      /^e\/node1:e: its host "no such host" is no address/,
    ])
    t.match(level.warnings, [{ name: 'f/node1:f', text: /a name, which this agent resolves/ }])
    for (const id of 'abcdefgj') {
      await consul.put(`agent/service/deregister/${id}`)
    }
  })

  await t.test('health decides; only services with the tag', async (t) => {
    const check = { TTL: '1h', Status: 'passing' }
    await register(consul, { ID: 'h1', Name: 'h', Address: '10.0.0.1', Tags: ['on'], Check: check })
    await register(consul, { ID: 'i1', Name: 'i', Address: '10.0.0.2' })
    const followed = follow(consul.url, { tag: 'on' })
    const lenient = follow(consul.url, { tag: 'on', isWarningServed: true })
    t.teardown(async () => {
      await followed.stop()
      await lenient.stop()
      await consul.put('agent/service/deregister/h1')
      await consul.put('agent/service/deregister/i1')
    })
    await shows(followed, 'h 10.0.0.1:80 1 up')
    await consul.put('agent/check/warn/service:h1')
    await shows(followed, 'h 10.0.0.1:80 1 down')
    t.match(followed.last().instances[0]?.record.reason, /its check .* is warning/)
    await consul.put('agent/check/fail/service:h1')
    await shows(lenient, 'h 10.0.0.1:80 1 down')
    await consul.put('agent/check/warn/service:h1')
    await shows(lenient, 'h 10.0.0.1:80 1 up')
  })

  await t.test('killed and started again, it loses nothing', async (t) => {
    let open = () => undefined as void
    let gate = Promise.resolve()
    const server = createServer((_, response) => {
      void gate.then(() => response.end('ok'))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const check = { HTTP: `http://127.0.0.1:${port}/`, Interval: '2s', Status: 'passing' }
    const followed = follow(consul.url)
    t.teardown(async () => {
      await followed.stop()
      server.close()
      await consul.put('agent/service/deregister/k1')
    })
    await register(consul, { ID: 'k1', Name: 'k', Address: '10.0.0.1', Check: check })
    await shows(followed, 'k 10.0.0.1:80 1 up')
    const before = followed.levels.length
    gate = new Promise((resolve) => (open = resolve))
    await consul.kill9()
    await until(() => followed.aways.length > 0, { what: 'word that Consul is away' })
    await consul.restart()
    await until(() => followed.aways.at(-1) === undefined, { what: 'Consul back' })
    const stateOf = async (state: string) => {
      const answer = await fetch(`${consul.url}/v1/health/state/${state}`)
      const checks = (await answer.json()) as Array<{ ServiceName: string }>
      return checks.some(({ ServiceName }) => ServiceName === 'k')
    }
    await until(() => stateOf('critical'), { what: 'the check to be critical until it runs' })
    await until(() => followed.last().warnings.length > 0, { what: 'word of what is held' })
    open()
    await until(() => stateOf('passing'), { what: 'the check to have run' })
    await until(() => followed.last().warnings.length === 0)
    const states = followed.levels
      .slice(before)
      .flatMap(({ instances }) => [
        instances.length,
        ...instances.map(({ record }) => record.state),
      ])
    t.notOk(states.includes(0) || states.includes('down'), states.join())
  })

  await t.test('wiped, it is followed from its new index', async (t) => {
    for (let i = 0; i < 20; i++) {
      await register(consul, { ID: `x${i}`, Name: 'x', Address: '10.0.1.1', Port: 1000 + i })
    }
    const followed = follow(consul.url)
    t.teardown(() => followed.stop())
    await until(() => followed.now().length === 20)
    await consul.wipe()
    await register(consul, { ID: 'y', Name: 'y', Address: '10.0.0.1' })
    await shows(followed, 'y 10.0.0.1:80 1 up')
    await register(consul, { ID: 'y', Name: 'y', Address: '10.0.0.2' })
    await shows(followed, 'y 10.0.0.2:80 1 up')
  })
})

// Gates open and close over a real nginx: at the moment a change is acknowledged, no request goes
// where it may not go any more.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import { until } from '../../../lab/until.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import type { RegistryOperation } from '../../../registry/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import { applied } from '../../support/applied.js'
import { testSettings } from '../../support/control.js'

type Test = Parameters<typeof startGateway>[0]

/** Caches of files, and rewritten paths, of a user's own nginx.conf. */
const OWN = (port: number): string => `open_file_cache max=1000 inactive=60s;
open_file_cache_valid 60s;
open_file_cache_errors on;
server {
    listen 127.0.0.1:${port};
    rewrite ^/old/(.*)$ /api/$1;
    include "$HOME/sluice/server.conf";
}`

const put = (key: string, record: object): RegistryOperation => {
  return { type: 'put', key, value: JSON.stringify(record) }
}
const remove = (key: string): RegistryOperation => ({ type: 'delete', key })
const at = ({ host, port }: Backend, more: object = {}): object => ({ host, port, ...more })

async function setUp(t: Test) {
  const gateway = await startGateway(t, { kind: 'njs', compiled: true, conf: OWN })
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    ...{ pool: 'auto', poolPort: gateway.poolPort, httpPort: gateway.httpPort },
  })
  const registry = await openEmbedded({ folder: join(gateway.home, 'registry'), log })
  const controller = await Controller.make({ settings, registry, log })
  controller.start()
  await until(() => controller.ready(), { what: 'the controller to be ready' })
  const agent = new Agent({ keepAlive: true, maxSockets: 24 })
  t.teardown(async () => {
    agent.destroy()
    await controller.close()
    await registry.close()
  })
  const change = async (...operations: RegistryOperation[]): Promise<void> =>
    applied(controller, (await registry.commit(operations)).revision)
  const gates = (): string[] => readdirSync(join(gateway.home, 'gates')).sort()
  /** Waits until these hosts and upstreams are left to nginx. */
  const isOpen = (count: number): Promise<unknown> =>
    until(() => gates().length === count, { deadlineMs: 20_000, what: `${count} open gates` })
  /** nginx is given the lanes that there are now. */
  const compile = async (count: number): Promise<void> => {
    const conf = join(gateway.home, 'compiled/now/server.conf')
    const hosts = () =>
      existsSync(conf) ? readFileSync(conf, 'utf8').split('location "@').length - 1 : 0
    await until(() => hosts() === count, { what: 'the configuration of lanes' })
    await gateway.reload()
  }
  /** Who answers 200 requests over kept connections, one in ten with a body. */
  const served = async (host: string, path = '/', port = gateway.httpPort) => {
    const counts: Record<string, number> = {}
    const one = async (i: number): Promise<void> => {
      const post = i % 10 === 0 ? { method: 'POST', body: 'x'.repeat(3000) } : {}
      const answer = await gateway.ask({ ...{ agent, host, path, port }, ...post })
      const who = answer.status === 200 ? (answer.json as { id: string }).id : `${answer.status}`
      counts[who] = (counts[who] ?? 0) + 1
    }
    await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)))
    return counts
  }
  return { gateway, controller, change, gates, isOpen, compile, served }
}

/** How many of a backend's requests nginx itself sent there: the table names whom it picked. */
function compiledOf({ ledger }: Backend): number {
  const picks = ledger.map(({ headers }) => String(headers['x-sluice-pick']))
  return picks.filter((pick) => !pick.trim().includes(' ')).length
}

t.test('what is acknowledged holds for the next request', async (t) => {
  const backends = await Promise.all(['a', 'b', 'c', 'd'].map((id) => startBackend(t, id)))
  const [a, b, c, d] = backends as [Backend, Backend, Backend, Backend]
  const self = await setUp(t)
  const { gateway, controller, change, isOpen, served } = self
  const app = { hosts: ['app.test'], upstream: 'web' }
  const api = { hosts: ['app.test'], pathPrefix: '/api', upstream: 'api' }
  await change(
    put('instances/web/a', at(a)),
    put('instances/web/b', at(b)),
    put('instances/api/c', at(c)),
    put('routes/app', app),
    put('routes/api', api),
  )
  await self.compile(4)
  await isOpen(6)
  t.same(Object.keys(await served('web.localhost')).sort(), ['a', 'b'])
  t.equal(compiledOf(a) + compiledOf(b), 200, 'nginx itself served all of them')
  t.same(await served('app.test', '/api/x'), { c: 200 })
  t.equal(compiledOf(c), 200)
  t.same(await served('app.test', '/old/x', gateway.userPort), { c: 200 }, 'a rewritten path')
  t.same(await served('app.test', '/api/x', gateway.userPort), { c: 200 })

  const drain = put('overrides/web/b', { drain: true, atMs: 1 })
  const steps: Array<[string, RegistryOperation[], string[]]> = [
    ['removed', [remove('instances/web/b')], ['a']],
    ['back', [put('instances/web/b', at(b))], ['a', 'b']],
    ['drained', [drain], ['a']],
    ['drained no more, so back', [remove('overrides/web/b')], ['a', 'b']],
    ['moved', [put('instances/web/b', at(d))], ['a', 'd']],
    ['moved back', [put('instances/web/b', at(b))], ['a', 'b']],
  ]
  for (const [what, operations, left] of steps) {
    // What brings somebody back need not close anything.
    if (!what.includes('back')) {
      await isOpen(6)
    }
    await change(...operations)
    const ports = [gateway.httpPort, gateway.userPort]
    const [first, own] = await Promise.all(ports.map((port) => served('web.localhost', '/', port)))
    t.same(Object.keys(first ?? {}).sort(), left, what)
    t.same(Object.keys(own ?? {}).sort(), left, `${what}, in a server of the user's`)
  }

  const page = { status: 503, contentType: 'text/plain', body: 'later' }
  const toWeb = { ...api, upstream: 'web' }
  const apiAgain = put('routes/api', api)
  const routes: Array<[string, RegistryOperation, RegistryOperation, string, string]> = [
    ['another upstream', put('routes/api', toWeb), apiAgain, '/api/x', 'a,b'],
    ['no route', remove('routes/api'), apiAgain, '/api/x', 'a,b'],
    [
      'a path below',
      put('routes/sub', { ...toWeb, pathPrefix: '/api/sub' }),
      remove('routes/sub'),
      ...(['/api/sub', 'a,b'] as const),
    ],
    [
      'a page',
      put('routes/app', { ...app, maintenance: page }),
      put('routes/app', app),
      ...(['/', '503'] as const),
    ],
  ]
  for (const [what, there, back, path, who] of routes) {
    await isOpen(6)
    const before = await served('app.test', path)
    await change(there)
    t.same(
      Object.keys(await served('app.test', path))
        .sort()
        .join(),
      who,
      what,
    )
    await change(back)
    const after = Object.keys(await served('app.test', path)).sort()
    t.same(after, Object.keys(before).sort(), `${what}, and back`)
  }

  await isOpen(6)
  const hold = gateway.ask({ host: 'web.localhost', path: '/?hold' })
  await until(() => a.held() + b.held() === 1)
  await change(drain)
  for (let i = 0; i < 5; i++) {
    const [active] = await controller.active('web', ['b'])
    t.ok(active === undefined || active > 0, 'nobody says that it is drained')
  }
  a.release()
  b.release()
  await hold
  await until(async () => (await controller.active('web', ['b']))[0] === 0)
  await change(remove('overrides/web/b'))
  await isOpen(6)
  await b.stop()
  t.same(await served('web.localhost'), { a: 200 }, 'a dead instance costs no request')
  await c.stop()
  t.same(await served('app.test', '/api/x'), { 502: 200 }, 'nobody is left')
  t.same(await served('app.test'), { a: 200 })
})

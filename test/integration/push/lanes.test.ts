// Gates open and close over a real nginx: at the moment a change is acknowledged, no request goes
// where it may not go any more.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { nginxOf } from '../../../lab/nginx/gateway-home.js'
import { until } from '../../../lab/until.js'
import { at, compiledOf, put, remove, startCompiled } from '../../support/compiled-gateway.js'
import type { RegistryOperation } from '../../../registry/registry.js'

/** Caches of files, and rewritten paths, of a user's own nginx.conf. */
const OWN = (port: number): string => `open_file_cache max=1000 inactive=60s;
open_file_cache_valid 60s;
open_file_cache_errors on;
server {
    listen 127.0.0.1:${port};
    rewrite ^/old/(.*)$ /api/$1;
    include "$HOME/sluice/server.conf";
}`

t.setTimeout(90_000)

t.test('what is acknowledged holds for the next request', async (t) => {
  const backends = await Promise.all(['a', 'b', 'c', 'd'].map((id) => startBackend(t, id)))
  const [a, b, c, d] = backends as [Backend, Backend, Backend, Backend]
  const self = await startCompiled(t, { kind: 'njs', conf: OWN })
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

  const nginx = await nginxOf('njs')
  const tested = (): string => {
    return spawnSync(nginx.path, ['-t', '-c', join(gateway.home, 'nginx.conf')]).stderr.toString()
  }
  const file = join(gateway.home, 'compiled/now/server.conf')
  const former = readFileSync(file, 'utf8')
  await change(put('routes/late', { hosts: ['late.test'], upstream: 'web' }))
  await until(() => readFileSync(file, 'utf8') !== former, { what: 'another generation' })
  const latter = readFileSync(file, 'utf8')
  t.match(tested(), /test is successful/)
  writeFileSync(file, former)
  t.match(tested(), /unknown "sluice_lanes_[0-9a-f]+" variable/, 'generations are never mixed')
  writeFileSync(file, latter)
})

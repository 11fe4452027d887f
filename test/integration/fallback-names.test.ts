// The fallback in an http{} whose hashes are as nginx makes them unless told: any name that can be registered.
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { checkRoute } from '../../contract/route.js'
import type { Desired, DesiredInstance } from '../../controller/desired.js'
import { renderFallback } from '../../controller/fallback-render.js'
import { ask } from '../support/ask.js'
import { startBackend } from '../support/backend.js'
import { freePort } from '../support/ports.js'
import { temporaryFolder } from '../support/temp.js'
import { tools } from '../support/tools.js'
import { until } from '../support/until.js'

t.setTimeout(60_000)
const run = promisify(execFile)

const LONG = 'x'.repeat(63)
const LONGEST = [LONG, LONG, LONG, 'y'.repeat(61)].join('.')

function desired(ports: Record<string, number>, routes: Record<string, unknown>): Desired {
  const upstreams = Object.entries(ports).map(([name, port]) => {
    const record = { host: '127.0.0.1', port, weight: 1, state: 'up' as const }
    const one: DesiredInstance = {
      id: 'i',
      record,
      override: undefined,
      suspect: undefined,
      revision: 1,
    }
    const policy = { balance: 'random' as const }
    return [name, { name, policy, revision: 1, instances: new Map([['i', one]]) }] as const
  })
  const checked = Object.entries(routes).map(([id, value]) => {
    const record = checkRoute(value)
    if (!record.ok) throw new Error(record.message)
    return [id, { id, record: record.value, revision: 1 }] as const
  })
  return {
    revision: 7,
    upstreams: new Map(upstreams),
    routes: new Map(checked),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
}

const wrap = (folder: string, body: string): string => `
  worker_processes 1; pid "${folder}/nginx.pid"; error_log "${folder}/error.log" warn; events {}
  http { access_log off;
    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path "${folder}/${name}";`).join(' ')}
    ${body}
  }`

const PORTS: Record<string, number> = {}
for (const name of ['plain', 'paths', 'wild', 'wildpaths', 'narrow', LONG, `a${'-'.repeat(44)}b`])
  PORTS[name] = 0
for (let length = 40; length <= 50; length++) PORTS['n'.repeat(length)] = 0

const ROUTES = {
  longest: { hosts: [LONGEST], upstream: 'plain' },
  // A wildcard that fits it too, and is short.
  wild: { hosts: ['*.com', `*.${LONG}.com`], upstream: 'wild' },
  exact: { hosts: [`${LONG}.com`, 'plain.example.com'], upstream: 'plain' },
  paths: {
    hosts: [`p.${LONG}.com`, 'p.example.com', `*.p.${LONG}.com`],
    pathPrefix: '/p',
    upstream: 'paths',
  },
  wildpaths: { hosts: ['*.example.com'], pathPrefix: '/w', upstream: 'wildpaths' },
  narrow: { hosts: ['*.narrow.example.com'], upstream: 'narrow' },
  split: {
    hosts: [`${'s'.repeat(60)}.test`],
    split: [
      { upstream: 'plain', weight: 1 },
      { upstream: LONG, weight: 1 },
    ],
  },
  tail: { hosts: ['tail.*', `${LONG}.tail.*`], upstream: 'wild' },
  tailpaths: { hosts: ['tail.example.*'], pathPrefix: '/w', upstream: 'wildpaths' },
  // Nothing asks conditions here: the route without them serves.
  canary: { hosts: ['plain.example.com'], headers: { 'x-canary': true }, upstream: 'wild' },
  canaryonly: { hosts: ['only.example.com'], methods: ['GET'], upstream: 'wild' },
  ids: { hosts: ['default', 'include', 'volatile', 'hostnames'], upstream: 'plain' },
}

/** Host, path and which upstream serves it; '' for none. */
const ASKED: Array<[host: string, path: string, upstream: string]> = [
  [LONGEST, '/', 'plain'],
  [`${LONG}.com`, '/', 'plain'],
  ['other.com', '/', 'wild'],
  [`a.${LONG}.com`, '/', 'wild'],
  [`p.${LONG}.com`, '/p/x', 'paths'],
  [`p.${LONG}.com`, '/q', ''],
  [`q.p.${LONG}.com`, '/p', 'paths'],
  ['p.example.com', '/p', 'paths'],
  ['p.example.com', '/w', ''],
  ['plain.example.com', '/w', 'plain'],
  ['any.example.com', '/w/x', 'wildpaths'],
  ['any.example.com', '/', ''],
  ['x.narrow.example.com', '/w', 'narrow'],
  ['narrow.example.com', '/w', 'wildpaths'],
  ['example.com', '/', 'wild'],
  ['default', '/', 'plain'],
  [`${LONG}.localhost`, '/', LONG],
  ['tail.test', '/', 'wild'],
  [`${LONG}.tail.test`, '/', 'wild'],
  ['tail.example.test', '/w/x', 'wildpaths'],
  ['tail.example.test', '/', ''],
  ['tail.example.com', '/w', 'wildpaths'],
  ['only.example.com', '/w', ''],
  ['nothing.test', '/', ''],
]

/** With a route for any host, some of these are served. */
const ANY = { any: { hosts: ['*'], upstream: 'narrow' } }
const ANY_PATHS = { any: { hosts: ['*'], pathPrefix: '/any', upstream: 'narrow' } }

type Tap = Parameters<typeof startBackend>[0]

/** An nginx of nothing but the fallback of these routes. Answers its port. */
async function serve(t: Tap, ports: Record<string, number>, routes: object): Promise<number> {
  const { nginx, nginxStable } = await tools()
  const folder = temporaryFolder(t, 'names')
  const port = await freePort()
  const place = { kind: 'front' as const, listen: [`127.0.0.1:${port}`] }
  const body = renderFallback(desired(ports, { ...ROUTES, ...routes }), 'localhost', place)
  const conf = join(folder, 'nginx.conf')
  writeFileSync(conf, wrap(folder, body))
  await run(nginxStable.path, ['-t', '-c', conf])
  const child = spawn(nginx.path, ['-c', conf, '-g', 'daemon off;'], { stdio: 'ignore' })
  t.teardown(
    () =>
      new Promise((resolve) => {
        child.once('exit', resolve)
        child.kill('SIGTERM')
      }),
  )
  await until(() => ask({ port }).catch(() => undefined))
  return port
}

async function startBackends(t: Tap): Promise<Record<string, number>> {
  const ports: Record<string, number> = {}
  for (const name of Object.keys(PORTS)) ports[name] = (await startBackend(t, name)).port
  return ports
}

t.test('every name that may be registered is served as the table does', async (t) => {
  const port = await serve(t, await startBackends(t), {})
  for (const [host, path, upstream] of ASKED) {
    const answer = await ask({ port, host, path })
    const wanted = upstream === '' ? { status: 404 } : { status: 200, json: { id: upstream } }
    t.match(answer, wanted, `${host}${path}`)
  }
})

t.test('any host, by all or some of its paths, comes after all others', async (t) => {
  const ports = await startBackends(t)
  for (const [routes, path] of [
    [ANY, '/'],
    [ANY_PATHS, '/any/x'],
  ] as const) {
    const port = await serve(t, ports, routes)
    const idOf = async (host: string, path: string): Promise<string> => {
      const { status, json } = await ask({ port, host, path })
      return status === 200 ? (json as { id: string }).id : String(status)
    }
    t.equal(await idOf('nothing.test', path), 'narrow')
    t.equal(await idOf('plain.example.com', path), 'plain')
    t.equal(await idOf('other.com', path), 'wild')
    t.equal(await idOf('p.example.com', path), '404')
    t.equal(await idOf('nothing.test', '/else'), path === '/' ? 'narrow' : '404')
  }
})

t.test('the map of names in a gateway', async (t) => {
  const { nginxStable } = await tools()
  const folder = temporaryFolder(t, 'names')
  mkdirSync(join(folder, 'hop'))
  writeFileSync(join(folder, 'headers.conf'), '')
  const ports = Object.fromEntries(Object.keys(PORTS).map((name) => [name, 80]))
  const place = {
    kind: 'hop' as const,
    socketPath: join(folder, 'hop/s'),
    headersPath: join(folder, 'headers.conf'),
  }
  const body = renderFallback(desired(ports, ROUTES), 'localhost', place)
  const conf = join(folder, 'nginx.conf')
  writeFileSync(conf, wrap(folder, `map $host $sluice_wanted { default ''; }\n${body}`))
  await t.resolves(run(nginxStable.path, ['-t', '-c', conf]))
})

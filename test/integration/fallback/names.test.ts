// The fallback in an http{} whose hashes have nginx's default sizes: any name that can be
// registered.
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { renderFallback } from '../../../controller/fallback/http-fallback.js'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { desiredOf, servePlain, wrapConf } from '../../../lab/nginx/fallback-nginx.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { tools } from '../../../lab/tools.js'

t.setTimeout(60_000)
const run = promisify(execFile)

const LONG = 'x'.repeat(63)
const LONGEST = [LONG, LONG, LONG, 'y'.repeat(61)].join('.')

const PORTS: Record<string, number> = {}
for (const name of ['plain', 'paths', 'wild', 'wildpaths', 'narrow', LONG, `a${'-'.repeat(44)}b`]) {
  PORTS[name] = 0
}
for (let length = 40; length <= 50; length++) {
  PORTS['n'.repeat(length)] = 0
}

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

function serve(t: Tap, ports: Record<string, number>, routes: object): Promise<number> {
  return servePlain(t, desiredOf(ports, { ...ROUTES, ...routes }))
}

async function startBackends(t: Tap): Promise<Record<string, number>> {
  const ports: Record<string, number> = {}
  for (const name of Object.keys(PORTS)) {
    ports[name] = (await startBackend(t, name)).port
  }
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
  const body = renderFallback(desiredOf(ports, ROUTES), ['localhost'], place)
  const conf = join(folder, 'nginx.conf')
  writeFileSync(
    conf,
    wrapConf(
      folder,
      `map $host $sluice_wanted { default ''; }\nmap $host $sluice_path_leaves { default ''; }\n${body}`,
    ),
  )
  await t.resolves(run(nginxStable.path, ['-t', '-c', conf]))
})

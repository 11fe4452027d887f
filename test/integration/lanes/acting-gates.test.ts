// What a route does is the same byte for byte, whether nginx does it alone or the table's way.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { existsSync, readFileSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startRig } from '../../../lab/load/rig.js'
import type { Rig } from '../../../lab/load/rig.js'
import { rawAsk } from '../../../lab/raw-ask.js'
import { tools } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

/** What came to an instance: the request's line, its header lines in an order, its body. */
interface Seen {
  line: string
  headers: string[]
  body: string
  /** Whom the hop would have been asked for: a gate says slot 0 and names nobody. */
  pick: string
  by: string
}

const seen: Seen[] = []

async function startInstance(
  t: { teardown(fn: () => unknown): void },
  by: string,
): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', httpVersion, rawHeaders } = request
      const all = rawHeaders.flatMap((name, i) =>
        i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1] ?? ''}`] : [],
      )
      const isPick = (line: string): boolean => line.startsWith('X-Sluice-Pick: ')
      const headers = byName(all.filter((line) => !isPick(line)))
      const pick = all.find(isPick)?.slice(15) ?? ''
      const body = Buffer.concat(chunks).toString('latin1')
      seen.push({ line: `${method} ${url} ${httpVersion}`, headers, body, pick, by })
      response.setHeader('Vary', 'Accept')
      response.setHeader('X-Gone', 'here')
      response.setHeader('X-Own', 'instance')
      response.setHeader('Set-Cookie', ['a=1', 'b=2'])
      response.setHeader('X-Large', 'x'.repeat(url.includes('large') ? 6000 : 1))
      response.writeHead(url.includes('missing') ? 404 : 200, { 'Content-Type': 'text/plain' })
      response.end('answer')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** The order of lines with different names means nothing. */
function byName(lines: string[]): string[] {
  const name = (line: string): string => line.slice(0, line.indexOf(':')).toLowerCase()
  return [...lines].sort((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0))
}

/** An answer but for its time. */
function normal(answer: string): string[] {
  const end = answer.indexOf('\r\n\r\n')
  const [status = '', ...lines] = answer.slice(0, end).split('\r\n')
  const headers = byName(lines.filter((line) => !line.startsWith('Date: ')))
  return [status, ...headers, answer.slice(end)]
}

const ROUTES: Record<string, object> = {
  strip: { pathPrefix: '/api', rewrite: { stripPrefix: true } },
  swap: { pathPrefix: '/api', rewrite: { replacePrefix: '/v2.x/+y' } },
  root: { rewrite: { replacePrefix: '/v2' } },
  same: { rewrite: { stripPrefix: true } },
  named: { upstreamHost: 'internal.example:81' },
  sends: {
    requestHeaders: {
      set: { 'X-Tenant': 'a "b" \\c' },
      remove: ['Authorization', 'X_Odd'],
    },
  },
  adds: { requestHeaders: { add: { 'X-Also': 'two' } } },
  answers: {
    responseHeaders: {
      set: { 'X-Own': 'route "q"', 'Strict-Transport-Security': 'max-age=1' },
      add: { Vary: 'Origin', 'X-New': 'n', 'Set-Cookie': 'c=3' },
      remove: ['X-Gone', 'X-Absent'],
    },
  },
  all: {
    pathPrefix: '/api',
    rewrite: { replacePrefix: '/v2' },
    upstreamHost: 'internal.example',
    requestHeaders: { set: { 'X-Tenant': 'a' }, remove: ['Accept'] },
    responseHeaders: { set: { 'X-Own': 'route' } },
  },
  small: { maxBodyBytes: 10 },
  small2: { maxBodyBytes: 10, buffering: true, rewrite: { replacePrefix: '/s' } },
  buffered: { buffering: true },
  streamed: { buffering: false, responseHeaders: { add: { 'X-New': 'n' } } },
}
/** Whose words nginx reads in another way than the table does: they have no gate. */
const INTERPRETED: Record<string, object> = {
  dollar: { requestHeaders: { set: { 'X-Tenant': '$host' } } },
  forwarded: { requestHeaders: { set: { 'X-Forwarded-For': '1.2.3.4' } } },
  mixed: { requestHeaders: { set: { 'X-Tenant': 'a' }, add: { 'X-Also': 'two' } } },
  etag: { responseHeaders: { set: { ETag: '"1"' } } },
  timed: { timeouts: { readMs: 1000 } },
}

const PATHS = [
  '',
  '/',
  '?',
  '?q=/api&b=%2F',
  '/x',
  '/x?',
  '/x?a=1?b=2',
  '/x?a=%2F%zz&\xc3\xbc',
  '/x?\xff',
  '/x%2Fy',
  '/a%20b',
  '//x',
  '/x//y',
  '/x/',
  '/./x',
  '/../api/y',
  '/.well-known/x',
  '/a.b/c..d',
  "/A+b;c=d,e/~f/(g)!h'i@j:k&l*m",
  '/\xc3\xbc',
  '/x"<y>{z}|^`',
  '/missing',
  'x',
  '#f',
  '/x?q#f',
]

const HEADS = [
  ['GET', ''],
  ['GET', 'Authorization: Basic x\r\nX-Tenant: mine\r\nx-also: one\r\nAccept: */*\r\n'],
  ['HEAD', 'X-Forwarded-For: 9.9.9.9\r\nTE: trailers\r\nCookie: s=1\r\n'],
  ['POST', 'Content-Length: 5\r\n'],
  ['POST', 'Content-Length: 12\r\n'],
  ['PUT', 'Transfer-Encoding: chunked\r\n'],
] as const

function requests(): string[] {
  const of = (host: string, route: object): string[] => {
    const prefix = 'pathPrefix' in route ? '/api' : ''
    const paths = 'rewrite' in route ? PATHS : ['/x%2Fy/../', '//', '/missing']
    // Heads of answers as large as the hop takes them, where the table's way is by the hop.
    const large = 'buffering' in route && !('responseHeaders' in route) ? ['/large'] : []
    const targets = [...paths, ...large]
      .map((path) => prefix + path)
      .filter((path) => path.startsWith('/'))
    const absolute = `http://${host}.test${prefix}/z?y`
    const [[method, first]] = HEADS
    const byPath = [...targets, absolute, `http://${host}.test?x`].map((target) =>
      print(method, target, host, first),
    )
    const byHead = HEADS.map(([name, lines]) => print(name, `${prefix}/p?q`, host, lines))
    return [...byPath, ...byHead]
  }
  return Object.entries({ ...ROUTES, ...INTERPRETED }).flatMap(([host, route]) => of(host, route))
}

function print(method: string, target: string, host: string, lines: string): string {
  const length = Number(/Content-Length: (\d+)/.exec(lines)?.[1] ?? 0)
  const body = lines.includes('chunked') ? '3\r\nabc\r\n0\r\n\r\n' : 'b'.repeat(length)
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}.test:81\r\n${lines}Connection: close\r\n\r\n${body}`
}

/** What each request came to: the answer, and what the instance saw. */
async function outcomes(
  rig: Rig,
  asked: string[],
  gates = 0,
): Promise<Array<{ got: string[]; saw: Seen[] }>> {
  const all: Array<{ got: string[]; saw: Seen[] }> = []
  for (const request of asked) {
    // On a busy machine nginx's questions are late at times, and gates close for a moment.
    await until(() => gates === 0 || readdirSync(gatesOf(rig)).length >= gates, {
      ...{ deadlineMs: 20_000, what: 'open gates' },
    })
    seen.length = 0
    const answer = await rawAsk(rig.httpPort, Buffer.from(request, 'latin1'))
    all.push({ got: normal(answer), saw: [...seen] })
  }
  return all
}

const gatesOf = (rig: Rig): string => join(rig.home, 'gates')

/** How many files gates have. */
async function compile(rig: Rig): Promise<number> {
  const conf = join(rig.home, 'compiled/now/server.conf')
  const hosts = [...Object.keys(ROUTES), 'parted']
  const text = (): string => (existsSync(conf) ? readFileSync(conf, 'utf8') : '')
  await until(() => hosts.every((host) => text().includes(`@${host}.test/0`)), { what: 'lanes' })
  const gates = text().split('\nlocation ').length - 1
  process.kill(rig.nginxPid(), 'SIGHUP')
  const count = (): number => readdirSync(gatesOf(rig)).length
  await until(() => count() >= gates, { deadlineMs: 20_000, what: 'open gates' })
  return count()
}

const { nginx } = await tools()

t.test('a route does the same by nginx alone and by the table', async (t) => {
  const rig = await startRig({ nginx, name: 'acting', env: { SLUICE_COMPILED: 'auto' } })
  t.teardown(() => rig.stop())
  const ports = [await startInstance(t, 'web'), await startInstance(t, 'api')]
  for (const [i, name] of ['web', 'api'].entries()) {
    const body = { host: '127.0.0.1', port: ports[i] }
    await rig.change('PUT', `/v1/upstreams/${name}/instances/i`, body)
  }
  for (const [name, route] of Object.entries({ ...ROUTES, ...INTERPRETED })) {
    await rig.change('PUT', `/v1/routes/${name}`, {
      hosts: [`${name}.test`],
      upstream: 'web',
      ...route,
    })
  }
  const split = [
    { upstream: 'web', weight: 3 },
    { upstream: 'api', weight: 1 },
  ]
  const parted = { hosts: ['parted.test'], split, pathPrefix: '/p', rewrite: { stripPrefix: true } }
  await rig.change('PUT', '/v1/routes/parted', parted)
  const gates = await compile(rig)

  const asked = requests()
  const compiled = await outcomes(rig, asked, gates)
  const drawn = await outcomes(
    rig,
    Array.from({ length: 200 }, () => print('GET', '/p/x', 'parted', '')),
    gates,
  )
  t.ok(
    drawn.every(({ saw }) => saw[0]?.line === 'GET /x 1.1' && saw[0].pick === `:${saw[0].by}/0`),
    'a split is drawn by nginx, and its route acts',
  )
  const ofApi = drawn.filter(({ saw }) => saw[0]?.by === 'api').length
  t.ok(ofApi > 20 && ofApi < 90, `an arm of a quarter got ${ofApi} of 200`)

  // Without their files gates are shut, whatever the controller believes.
  renameSync(gatesOf(rig), `${gatesOf(rig)}.away`)
  const interpreted = await outcomes(rig, asked)
  const byGate = new Set<string>()
  asked.forEach((request, i) => {
    const [one, other] = [compiled[i], interpreted[i]]
    const host = /Host: (\w+)/.exec(request)?.[1] ?? ''
    if (one?.saw[0]?.pick === ':web/0') {
      byGate.add(host)
    }
    t.ok(
      other?.saw.every(({ pick }) => pick !== ':web/0'),
      'the table served',
    )
    const bare = (saw: Seen[] = []): object[] =>
      saw.map(({ line, headers, body }) => ({ line, headers, body }))
    t.same(bare(one?.saw), bare(other?.saw), `what the instance saw of ${request}`)
    t.same(one?.got, other?.got, `what the client got for ${request}`)
  })
  t.same([...byGate].sort(), Object.keys(ROUTES).sort(), 'each kind went by its gate')
  renameSync(`${gatesOf(rig)}.away`, gatesOf(rig))

  // A change of what the route does closes its gate before it is acknowledged.
  await rig.change('PUT', '/v1/routes/named', {
    hosts: ['named.test'],
    ...{ upstream: 'web', upstreamHost: 'other.example' },
  })
  const [after] = await outcomes(rig, [print('GET', '/x', 'named', '')])
  t.ok(after?.saw[0]?.headers.includes('Host: other.example'), 'a changed action holds at once')
})

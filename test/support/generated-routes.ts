/** Route tables and requests to them, drawn: the same for the same draws. */
import { seeded } from '../../lab/load/random.js'

export interface DrawnTable {
  /** What all of its hosts end in. */
  domain: string
  /** By id, as REST takes them. */
  routes: Record<string, Record<string, unknown>>
  requests: DrawnRequest[]
}

export interface DrawnRequest {
  table: DrawnTable
  /** What stands in its header X-Case. */
  id: string
  /** As it is sent. */
  text: string
}

const HOSTS = ['a', 'a', 'b', 'b', 'c', 'Deep.x', '*', '*.wild']
const MORE_HOSTS = ['a-very-long-name-that-no-small-hash-of-nginx-takes', 'www.*', '*.x']
const PREFIXES = [
  '/',
  '/',
  '/api',
  '/api/v2',
  '/api/v2/deep',
  '/api/v3',
  '/Api',
  '/a.b',
  '/.hidden',
]
const MORE_PREFIXES = ['/~u', '/a+b(c)', '/apix', '/api/V2']

const ACTIONS: Array<Record<string, unknown>> = [
  { rewrite: { stripPrefix: true } },
  { rewrite: { replacePrefix: '/new' } },
  { rewrite: { replacePrefix: '/n.e+w/$x' } },
  { upstreamHost: 'internal.example:81' },
  { requestHeaders: { set: { 'X-Tenant': 'a "b" \\c' }, remove: ['X-Odd', 'Authorization'] } },
  { requestHeaders: { add: { 'X-Tenant': 'two' } } },
  { requestHeaders: { set: { 'X-Tenant': '$host' } } },
  {
    responseHeaders: { set: { 'X-Own': 'route "q"' }, add: { Vary: 'Origin' }, remove: ['X-Gone'] },
  },
  { responseHeaders: { set: { 'X-Own': '${host}' } } },
  { maxBodyBytes: 10 },
  { maxBodyBytes: 0 },
  { buffering: true },
  { buffering: false },
  { timeouts: { readMs: 30_000 } },
  { redirect: { scheme: 'https', status: 301 } },
  { redirect: { host: 'to.test', replacePrefix: '/moved', status: 307 } },
  { redirect: { path: '/$only', host: 'to.test' } },
  { maintenance: { body: 'closed $host "now"', contentType: 'text/plain' } },
  { maintenance: { status: 418, body: '' } },
  { pages: { 503: { body: 'page' } } },
]
const CONDITIONS: Array<Record<string, unknown>> = [
  { methods: ['POST', 'PUT'] },
  { headers: { 'x-kind': 'beta' } },
  { headers: { 'x-kind': true } },
  { cookies: { kind: 'beta' } },
  { arguments: { kind: 'beta' } },
]

const USUAL = ['x', 'v2', 'deep', 'a.b', 'api', 'Some-Thing_1', '']
const SEGMENTS = [
  '',
  'x',
  'v2',
  'V2',
  'deep',
  'api',
  '..',
  '.',
  '.hidden',
  'a.b',
  'a%2Fb',
  '%2e%2e',
  'a%20b',
]
const MORE_SEGMENTS = [
  '%41pi',
  '~u',
  'a+b(c)',
  '\xc3\xbc',
  '\xff',
  '"<{}|^`\\',
  'a;b=c',
  'A&$1',
  '%zz',
  '%',
  '%00',
]
const QUERIES = [
  '',
  '',
  '',
  '?',
  '?a=1',
  '?kind=beta',
  '?a=/api&b=%2F',
  '?x?y#z',
  '?\xc3\xbc=\xff',
  '?a=$host&%',
]
const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'PURGE',
  'PROPFIND',
]
const LINES = [
  'X-Kind: beta',
  'X-Kind: other',
  'Cookie: kind=beta; b=2',
  'Cookie: c=3\r\nCookie: d=4',
  'X-Tenant: mine\r\nx-tenant: yours',
  'X-Odd: 1\r\nX-Odd: 2',
  'X_Under: 1',
  'X.Dot: 1',
  'X-Empty:',
  'X-Spaces:   a \t b  ',
  'X-Bytes: \xc3\xbc\xff',
  'X-Forwarded-For: 9.9.9.9',
  'X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https',
  'X-Sluice-Pick: :web/0 x',
  'X-Sluice-Peer: x',
  'X-Accel-Redirect: /x',
  'Authorization: Basic eDp5',
  'TE: trailers',
  'Connection: close, X-Kind',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Proxy: http://evil.test',
  'Accept-Encoding: gzip',
  'Range: bytes=0-3',
  'If-None-Match: "1"',
  'Expect: nothing',
  'User-Agent: $host "x" \\',
  'Referer: http://x.test/?a=b',
]
/** What the instance is asked to answer. */
const WANTED = ['', '', '', '404', '204', '304', '302', '500', 'chunked', 'repeated', 'elsewhere']

type Draw = () => number

function one<T>(draw: Draw, list: readonly T[]): T {
  return list[Math.floor(draw() * list.length)] as T
}

/** `www.*` ends in whatever it likes. */
function hostOf(host: string, domain: string): string {
  return (host.endsWith('*') ? host.replace('*', `${domain}.*`) : `${host}.${domain}`).toLowerCase()
}

function drawRoute(draw: Draw, domain: string): Record<string, unknown> {
  const named = one(draw, draw() < 0.9 ? HOSTS : MORE_HOSTS)
  const more =
    draw() < 0.2
      ? [
          one(
            draw,
            HOSTS.filter((host) => host !== named),
          ),
        ]
      : []
  const hosts = [named, ...more].map((host) => hostOf(host, domain))
  const pathPrefix = one(draw, draw() < 0.85 ? PREFIXES : MORE_PREFIXES)
  const action = draw() < 0.45 ? one(draw, ACTIONS) : {}
  const second = draw() < 0.1 ? one(draw, ACTIONS) : {}
  const conditions = draw() < 0.08 ? one(draw, CONDITIONS) : {}
  const upstream = draw() < 0.05 ? 'other' : one(draw, ['web', 'api'])
  // Both arms are of one instance: which is drawn is not the same for two requests.
  const split = ['web', 'also'].map((name, i) => ({ upstream: name, weight: i + 1 }))
  const target = draw() < 0.15 ? { split } : { upstream }
  return { hosts, pathPrefix, ...target, ...action, ...second, ...conditions }
}

function drawPath(draw: Draw, prefixes: readonly string[]): string {
  const base = draw() < 0.8 ? one(draw, prefixes) : one(draw, PREFIXES)
  const count = Math.floor(draw() * 4)
  const segments = Array.from({ length: count }, () =>
    one(draw, draw() < 0.6 ? USUAL : draw() < 0.75 ? SEGMENTS : MORE_SEGMENTS),
  )
  const tail = segments.map((segment) => `/${segment}`).join('')
  return (base === '/' ? '' : base) + tail || '/'
}

function drawHost(draw: Draw, { domain, routes }: Pick<DrawnTable, 'domain' | 'routes'>): string {
  const hosts = Object.values(routes).flatMap((route) => route.hosts as string[])
  const host = draw() < 0.95 ? one(draw, hosts) : `unknown.of.${domain}`
  const named = host.replace('*', () => one(draw, ['w', 'a', 'x.y', 'W-1']))
  const spelled = draw() < 0.2 ? named.toUpperCase() : named
  return spelled + one(draw, ['', '', '', '', ':81', '.', '.:8080'])
}

function drawBody(draw: Draw, method: string): { lines: string; body: string } {
  if (!/^P/.test(method) && draw() < 0.95) {
    return { lines: '', body: '' }
  }
  const text = 'b\0\xff'.repeat(Math.floor(draw() * 7))
  if (draw() < 0.7) {
    return { lines: `Content-Length: ${text.length}\r\n`, body: text }
  }
  const chunk = text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`
  return { lines: 'Transfer-Encoding: chunked\r\n', body: `${chunk}0\r\n\r\n` }
}

function drawText(draw: Draw, table: DrawnTable, id: string): string {
  const prefixes = Object.values(table.routes).map(({ pathPrefix }) => pathPrefix as string)
  const method = one(draw, METHODS)
  const path = drawPath(draw, prefixes) + one(draw, QUERIES)
  const host = drawHost(draw, table)
  const target = draw() < 0.03 ? `http://${host}${path}` : path
  const version = draw() < 0.05 ? '1.0' : '1.1'
  const { lines, body } = drawBody(draw, method)
  const count = Math.floor(draw() * 4)
  const headers = Array.from({ length: count }, () => `${one(draw, LINES)}\r\n`).join('')
  const wanted = one(draw, WANTED)
  const marks = `X-Case: ${id}\r\n${wanted === '' ? '' : `X-Want: ${wanted}\r\n`}`
  const close = headers.includes('Connection:') ? '' : 'Connection: close\r\n'
  return `${method} ${target} HTTP/${version}\r\nHost: ${host}\r\n${marks}${headers}${lines}${close}\r\n${body}`
}

/** Of two routes for the same requests, the second is refused. */
function drawRoutes(draw: Draw, n: number, domain: string): DrawnTable['routes'] {
  const claimed = new Set<string>()
  const routes: DrawnTable['routes'] = {}
  const count = 1 + Math.floor(draw() * 6)
  for (let i = 0; i < count; i++) {
    const route = drawRoute(draw, domain)
    const { methods, headers, cookies, arguments: args, pathPrefix } = route
    const conditions = JSON.stringify([pathPrefix, methods, headers, cookies, args])
    const claims = (route.hosts as string[]).map((host) => host + conditions)
    if (!claims.some((claim) => claimed.has(claim))) {
      claims.forEach((claim) => claimed.add(claim))
      routes[`t${n}-${i}`] = route
    }
  }
  return routes
}

/** `seed`: of all of them. */
export function drawTables(seed: number, tables: number, requests: number): DrawnTable[] {
  const draw = seeded(seed)
  return Array.from({ length: tables }, (_, n) => {
    const domain = `t${n}.test`
    const table: DrawnTable = { domain, routes: drawRoutes(draw, n, domain), requests: [] }
    for (let i = 0; i < requests; i++) {
      const id = `${n}-${i}`
      table.requests.push({ table, id, text: drawText(draw, table, id) })
    }
    return table
  })
}

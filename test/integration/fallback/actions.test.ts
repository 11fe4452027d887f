// What routes do, by the fallback alone: in file mode, and in a gateway whose table is empty.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ask as askAny, type Answer, type Question } from '../../../lab/ask.js'
import { refusingAddress, startBackend, startFaultyBackend } from '../../../lab/backends/backend.js'
import { startControlled } from '../../support/controlled.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import { desiredOf, servePlain } from '../../../lab/nginx/fallback-nginx.js'
import { rawAsk, readRaw } from '../../../lab/raw-ask.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const CHALLENGE = '/.well-known/acme-challenge'
const LONG = `${'<p>"Zurück" in $5\\n 😀</p>\n'.repeat(300)}end`

const one = (host: string, upstream: string | undefined, more: object): object => ({
  hosts: [host],
  ...(upstream !== undefined && { upstream }),
  ...more,
})

const ROUTES: Record<string, object> = {
  plain: one('plain.test', 'web', {}),
  acme: one('*', 'acme', { pathPrefix: CHALLENGE }),
  any: one('*', undefined, { redirect: { host: 'any.test', status: 307 } }),
  wild: one('*.wild.test', 'web', { rewrite: { replacePrefix: '/wild' } }),
  inside: one('plain.wild.test', 'web', {}),
  own: one('own.test', 'web', { pathPrefix: `${CHALLENGE}/own` }),
  secure: one('secure.test', 'web', { redirect: { scheme: 'https', status: 301 } }),
  old: one('old.test', undefined, { pathPrefix: '/x', redirect: { host: 'new.test', port: 8443 } }),
  moved: one('moved.test', undefined, {
    pathPrefix: '/a.b',
    redirect: { replacePrefix: '/b', status: 308 },
  }),
  root: one('root.test', undefined, { redirect: { host: 'r.test', replacePrefix: '/r' } }),
  only: one('only.test', 'web', { redirect: { path: '/$only' } }),
  same: one('same.test', 'web', { redirect: { host: 'same.test' } }),
  closed: one('closed.test', 'web', { maintenance: { body: LONG } }),
  teapot: one('teapot.test', undefined, {
    maintenance: { status: 418, contentType: 'text/plain; charset="utf-8"', body: '' },
    responseHeaders: { set: { 'X-Own': 'a "b" $c' } },
  }),
  pot: one('*.pot.test', undefined, { maintenance: { status: 418, body: '' } }),
  strip: one('strip.test', 'web', { pathPrefix: '/api', rewrite: { stripPrefix: true } }),
  deep: one('deep.test', 'web', { pathPrefix: '/a/b', rewrite: { replacePrefix: '/v2/x' } }),
  dollar: one('dollar.test', 'web', { pathPrefix: '/a', rewrite: { replacePrefix: '/$v' } }),
  named: one('named.test', 'web', { upstreamHost: 'internal.example:81' }),
  headers: one('headers.test', 'web', {
    requestHeaders: {
      set: { 'X-Tenant': 'a "b" \\ $c' },
      add: { 'X-Also': '$two' },
      remove: ['Authorization', 'X-Forwarded-For'],
    },
    responseHeaders: {
      set: { 'X-Own': 'route' },
      add: { Vary: 'Origin' },
      remove: ['X-Gone'],
    },
  }),
  small: one('small.test', 'web', { maxBodyBytes: 10, pages: { 413: { body: 'too big' } } }),
  none: one('none.test', 'web', { maxBodyBytes: 0 }),
  late: one('late.test', 'hanging', {
    timeouts: { readMs: 1000 },
    pages: { 504: { status: 500, body: 'slow' }, 502: { body: 'x' } },
  }),
  nobody: one('nobody.test', 'nobody', { pages: { 503: { body: 'soon', contentType: 'a/b' } } }),
  gone: one('gone.test', undefined, { pages: { 404: { body: 'gone' } } }),
  streamed: one('streamed.test', 'web', { buffering: false }),
  tunnel: one('tunnel.test', 'web', { upgrade: ['h2c', 'default'] }),
  'closed-tunnel': one('closedtunnel.test', 'web', { upgrade: [] }),
  copied: one('copied.test', 'web', { mirror: { upstream: 'acme' } }),
}

interface Echo {
  id: string
  url: string
  headers: Record<string, string>
}

type Ask = (host: string, path?: string, more?: Question) => Promise<Answer>

async function redirects(t: Test, ask: Ask): Promise<void> {
  const to = async (host: string, path: string): Promise<string> => {
    const { status, headers, json } = await ask(host, path)
    const id = (json as Echo | undefined)?.id
    return `${status} ${headers.location ?? id ?? ''}`.trim()
  }
  t.equal(await to('secure.test', '/a%2Fb?c'), '301 https://secure.test/a%2Fb?c')
  t.equal(await to('SECURE.test:8080', '//evil/'), '301 https://secure.test//evil/')
  t.equal(await to('old.test', '/x/y?z'), '302 http://new.test:8443/x/y?z')
  t.equal(await to('old.test', '/y'), '404')
  t.equal(await to('moved.test:81', '/a.b/y?z'), '308 http://moved.test:81/b/y?z')
  t.equal(await to('moved.test:80', '/a.b?z'), '308 http://moved.test/b?z')
  t.equal(await to('moved.test', '/a.b/%0d%0aX-Evil:1'), '308 http://moved.test/b/%0d%0aX-Evil:1')
  t.equal(await to('moved.test', '/a%2eb/y'), '404', 'a prefix that is written otherwise')
  t.equal(await to('moved.test', '/axb/y'), '404')
  t.equal(await to('root.test', '/y?z'), '302 http://r.test/r/y?z')
  t.equal(await to('only.test', '/else?q'), '302 http://only.test/$only?q')
  t.equal(await to('only.test', '/$only?q'), '200 web', 'it does not lead to itself')
  t.equal(await to('same.test', '/'), '200 web')
  t.equal(await to('unknown.test', '/q'), '307 http://any.test/q')
}

async function answers(t: Test, ask: Ask): Promise<void> {
  const closed = await ask('closed.test', '/x.png')
  t.match(closed, { status: 503, body: LONG })
  t.match(closed.headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
  })
  const teapot = await ask('teapot.test')
  t.match(teapot, { status: 418, body: '' })
  t.match(await ask('a.pot.test'), { status: 418, body: '' })
  t.equal(teapot.headers['x-own'], 'a "b" $c')
  t.match(await ask('nobody.test'), {
    status: 503,
    body: 'soon',
    headers: { 'content-type': 'a/b' },
  })
  t.match(await ask('gone.test', '/x'), { status: 404, body: 'gone' })
  t.match(await ask('late.test'), { status: 500, body: 'slow' })
}

async function requests(t: Test, ask: Ask): Promise<void> {
  const echoOf = async (host: string, path = '/', more = {}): Promise<Echo> => {
    const { status, json } = await ask(host, path, more)
    return status === 200 ? (json as Echo) : { id: String(status), url: '', headers: {} }
  }
  const urlOf = async (host: string, path: string): Promise<string> =>
    (await echoOf(host, path)).url
  t.equal(await urlOf('strip.test', '/api/x?a=/api'), '/x?a=/api')
  t.equal(await urlOf('strip.test', '/api'), '/')
  t.equal((await echoOf('strip.test', '/apix')).id, '404')
  t.equal(await urlOf('deep.test', '/a/b/c?e'), '/v2/x/c?e')
  t.equal(await urlOf('deep.test', '/a/b'), '/v2/x')
  t.equal((await echoOf('dollar.test', '/a/b')).id, '503', 'nginx would take it for a variable')
  t.equal(await urlOf('a.wild.test', '/x'), '/wild/x')
  t.equal(await urlOf('plain.wild.test', '/x'), '/x')
  t.equal((await echoOf('named.test')).headers.host, 'internal.example:81')
  const sent = { 'X-Tenant': 'mine', 'X-Also': 'one', Authorization: 'secret', 'X-Other': 'kept' }
  const { headers } = await echoOf('headers.test', '/', { headers: sent })
  t.match(headers, { 'x-tenant': 'a "b" \\ $c', 'x-also': 'one, $two', 'x-other': 'kept' })
  t.match(headers, { host: 'headers.test', 'x-forwarded-proto': 'http' })
  t.notMatch(Object.keys(headers), ['authorization'])
  t.equal(headers['x-forwarded-for'], undefined)
  t.equal((await echoOf('headers.test')).headers['x-also'], '$two')
  const answer = (await ask('headers.test')).headers
  t.match(answer, { 'x-own': 'route', vary: 'Origin', 'x-sluice-peer': undefined })
  const post = async (host: string, body: string): Promise<string> => {
    const { status, body: said } = await ask(host, '/', { method: 'POST', body })
    return `${status} ${status === 200 ? '' : said}`
  }
  t.equal(await post('small.test', '0123456789'), '200 ')
  t.equal(await post('small.test', '0123456789x'), '413 too big')
  t.match(await post('none.test', 'x'), /^413/)
  t.equal(await post('none.test', ''), '200 ')
  for (const host of ['streamed.test', 'copied.test', 'plain.test', 'tunnel.test']) {
    t.equal((await echoOf(host)).id, 'web', host)
  }
  const changed = async (host: string, protocol: string): Promise<number> =>
    (await ask(host, '/', { headers: { Connection: 'Upgrade', Upgrade: protocol } })).status
  t.same([await changed('tunnel.test', 'H2C'), await changed('tunnel.test', 'default')], [101, 101])
  t.same([await changed('tunnel.test', 'websocket'), await changed('tunnel.test', 'x')], [200, 200])
  t.same([await changed('plain.test', 'h2c'), await changed('plain.test', 'websocket')], [200, 101])
  t.equal(await changed('closedtunnel.test', 'websocket'), 200)
}

async function challenges(t: Test, ask: Ask): Promise<void> {
  const hosts = 'plain closed secure own strip gone unknown a.wild plain.wild'.split(' ')
  for (const host of hosts) {
    const { json } = await ask(`${host}.test`, `${CHALLENGE}/own/token`)
    t.match(json, { id: 'acme', url: `${CHALLENGE}/own/token` }, host)
  }
  t.match(await ask('plain.test', '/.well-known/else'), { json: { id: 'web' } })
}

/** What a client says of itself, and of the host that it asks for. */
async function claims(t: Test, port: number): Promise<void> {
  const sent = async (target: string, ...lines: string[]) => {
    const text = [`GET ${target} HTTP/1.1`, ...lines, 'Connection: close', '', ''].join('\r\n')
    const { json, ...answer } = readRaw(await rawAsk(port, text))
    return { ...answer, headers: (json as { headers?: object } | undefined)?.headers }
  }
  const own = { host: 'plain.test', 'x-forwarded-host': 'plain.test', upgrade: undefined }
  const first = await sent('http://Plain.test/x', 'Host: closed.test', 'Upgrade: h2c')
  t.match(first, { status: 200, headers: own })
  const secure = { status: 301, location: 'https://secure.test/x' }
  t.match(await sent('http://secure.test/x', 'Host: plain.test'), secure)
  const forged = [
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.test',
    'Forwarded: proto=https',
  ]
  t.match(await sent('/x', 'Host: secure.test', ...forged), secure)
  for (const path of ['/api/../x', '/api/..%2fx', '/x/%2e%2e/api', '/x#/../api']) {
    t.equal((await sent(path, 'Host: strip.test')).status, 400, path)
  }
}

async function all(t: Test, ask: Ask, port: number): Promise<void> {
  await t.test('what clients claim counts as in the gateway', (t) => claims(t, port))
  await t.test('redirects are those of the gateway', (t) => redirects(t, ask))
  await t.test('answers are those of the gateway', (t) => answers(t, ask))
  await t.test('requests reach the instance as through the gateway', (t) => requests(t, ask))
  await t.test('ACME challenges reach their solver', (t) => challenges(t, ask))
}

t.test('file mode acts as the gateway does', async (t) => {
  const web = await startBackend(t, 'web')
  const acme = await startBackend(t, 'acme')
  const hanging = await startFaultyBackend(t, 'hang')
  const ports = { web: web.port, acme: acme.port, hanging: Number(hanging.address.split(':')[1]) }
  const port = await servePlain(t, desiredOf(ports, ROUTES))
  await all(t, (host, path = '/', more = {}) => askAny({ port, host, path, ...more }), port)
})

for (const kind of GATEWAY_KINDS) {
  t.test(`a gateway whose table is empty: ${kind}`, async (t) => {
    const it = await startControlled(t, { kind })
    const { gateway } = it
    const web = await startBackend(t, 'web')
    const acme = await startBackend(t, 'acme')
    const hanging = await startFaultyBackend(t, 'hang')
    const put = (path: string, body: object): object => ({ method: 'PUT', path, body })
    const addresses = { web, acme, hanging, last: { address: await refusingAddress() } }
    const instances = Object.entries(addresses).map(([name, { address }]) => {
      const [host, port] = address.split(':')
      return put(`/v1/upstreams/${name}/instances/i`, { host, port: Number(port) })
    })
    const routes = Object.entries(ROUTES).map(([id, body]) => put(`/v1/routes/${id}`, body))
    const operations = [...instances, ...routes]
    const { status, body } = await it.call('POST', '/v1/batch', { operations })
    t.equal(status, 200, JSON.stringify(body).slice(0, 300))
    const file = join(gateway.home, 'fallback/sluice-upstreams.conf')
    await until(() => readFileSync(file, 'utf8').includes('sluice_f_last'), { deadlineMs: 20_000 })
    await it.stop()
    await gateway.restart()
    t.match(await gateway.state(), { epoch: 0, whole: false })
    const ask: Ask = (host, path = '/', more = {}) => gateway.ask({ host, path, ...more })
    await all(t, ask, gateway.httpPort)
    t.equal((await gateway.counters()).failed ?? 0, 0)
  })
}

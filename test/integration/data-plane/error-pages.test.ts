// A route's own error pages, in nginx.
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { startControlled } from '../../support/controlled.js'
import { refusingAddress, startBackend, startFaultyBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import { freePort } from '../../../lab/ports.js'

t.setTimeout(170_000)

const page = (body: string, more = {}): object => ({ body, contentType: 'text/plain', ...more })

function firstOf(port: number, host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers: { host } }
    const asked = get(options, (answer) => {
      answer.once('data', (chunk: Buffer) => {
        resolve(chunk.toString())
        asked.destroy()
      })
    }).on('error', reject)
  })
}

function bytesOf(port: number, host: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, headers: { host } }
    get(options, (answer) => void buffer(answer).then(resolve, reject)).on('error', reject)
  })
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const it = await startControlled(t, { kind })
    const web = await startBackend(t, 'web')
    const hanging = await startFaultyBackend(t, 'hang')
    const put = async (path: string, body: object): Promise<void> => {
      const answer = await it.call('PUT', `/v1/${path}`, body)
      if (answer.status > 201) {
        throw new Error(JSON.stringify(answer.body))
      }
    }
    const instance = (name: string, address: string): Promise<void> => {
      const [host, port] = address.split(':')
      return put(`upstreams/${name}/instances/i`, { host, port: Number(port) })
    }
    const route = (id: string, upstream: string | undefined, more: object): Promise<void> =>
      put(`routes/${id}`, { hosts: [`${id}.test`], ...(upstream && { upstream }), ...more })
    const ask = (id: string, path = '/', more = {}) =>
      it.gateway.ask({ host: `${id}.test`, path, ...more })
    await instance('web', web.address)
    await instance('dead', await refusingAddress())
    await instance('hanging', hanging.address)

    t.test('where Sluice itself would answer', async (t) => {
      const pages = {
        502: page('gone'),
        503: page('<p>Zurück in 5 Minuten', { contentType: 'text/html; charset=utf-8' }),
        504: page('slow'),
        413: page('big', { status: 400 }),
      }
      const responseHeaders = { set: { 'X-By': 'route' } }
      await route('nobody', 'nobody', { pages, responseHeaders })
      await route('dead', 'dead', { pages })
      await route('late', 'hanging', { pages, timeouts: { readMs: 1000 } })
      await route('small', 'web', { pages, maxBodyBytes: 10 })
      const none = await ask('nobody')
      t.match(none, { status: 503, body: '<p>Zurück in 5 Minuten' })
      t.match(none.headers, {
        'content-type': 'text/html; charset=utf-8',
        'content-length': String(Buffer.byteLength(none.body)),
        'cache-control': 'no-store',
        'retry-after': '2',
        'x-by': 'route',
      })
      const json = await ask('nobody', '/', { headers: { Accept: 'application/json' } })
      t.equal(json.body, none.body, 'whatever is asked for')
      const head = await ask('nobody', '/', { method: 'HEAD' })
      t.match(head, { status: 503, body: '' })
      t.equal(head.headers['content-length'], none.headers['content-length'])
      t.match(await ask('dead'), { status: 502, body: 'gone' })
      t.match(await ask('late'), { status: 504, body: 'slow' })
      const big = await ask('small', '/', { method: 'POST', body: 'x'.repeat(11) })
      t.match(big, { status: 400, body: 'big' })
      t.match(await ask('small', '/', { method: 'POST', body: 'x' }), { status: 200 })
      t.notMatch(JSON.stringify(none.headers), /sluice-peer/)
    })

    t.test('what the upstream says stays its own', async (t) => {
      await route('own', 'web', { pages: { 404: page('mine'), 502: page('x'), 503: page('y') } })
      for (const status of [404, 502, 503]) {
        const answer = await ask('own', `/?status=${status}`)
        t.match(answer, { status, json: { id: 'web' } })
        t.equal(answer.headers['x-own'], 'web')
      }
      t.match(await ask('own'), { status: 200, json: { id: 'web' } })
    })

    t.test('unless a page is for that, too', async (t) => {
      const pages = {
        404: page('mine', { intercept: true }),
        500: page('sorry', { intercept: true, status: 200 }),
        503: page('y'),
      }
      await route('taken', 'web', { pages, rewrite: { replacePrefix: '/v2' } })
      const answer = await ask('taken', '/?status=404')
      t.match(answer, { status: 404, body: 'mine' })
      t.match(answer.headers, { 'content-type': 'text/plain', 'content-length': '4' })
      t.match(await ask('taken', '/?status=500'), { status: 200, body: 'sorry' })
      t.match(await ask('taken', '/?status=404&empty'), { status: 404, body: 'mine' })
      t.match(await ask('taken', '/?status=503'), { status: 503, json: { id: 'web' } })
      t.match(await ask('taken', '/?status=403'), { status: 403, json: { url: '/v2/?status=403' } })
      t.match(await ask('taken', '/?status=404', { method: 'HEAD' }), { status: 404, body: '' })
      t.match(await ask('taken', '/?status=404', { method: 'POST', body: 'x' }), { body: 'mine' })
    })

    t.test('the type is the page’s own, whatever that of the answer was', async (t) => {
      const server = createServer((_, response) => {
        response.writeHead(404, { 'Content-Type': 'text/plain; charset=iso-8859-1' }).end('x')
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.teardown(() => server.close())
      await instance('latin', `127.0.0.1:${(server.address() as AddressInfo).port}`)
      for (const contentType of ['text/html; charset=utf-8', 'application/json']) {
        const pages = {
          404: page('é', { contentType, intercept: true }),
          503: page('é', { contentType }),
        }
        await route('typed', 'latin', { pages })
        t.equal((await ask('typed')).headers['content-type'], contentType)
        await route('typed', 'nobody', { pages })
        t.equal((await ask('typed')).headers['content-type'], contentType)
      }
      await route('typed', 'latin', { pages: { 503: page('x') } })
      t.equal((await ask('typed')).headers['content-type'], 'text/plain; charset=iso-8859-1')
    })

    t.test('bytes of others pass, however many', async (t) => {
      const bytes = Buffer.alloc(700_000, Buffer.from([0, 255, 128, 10, 195]))
      const port = await freePort()
      const server = createServer((request, response) => {
        response.statusCode = request.url === '/404' ? 404 : 200
        response.write(bytes.subarray(0, 100_000))
        setTimeout(() => response.end(bytes.subarray(100_000)), 20)
      }).listen(port, '127.0.0.1')
      t.teardown(() => server.close())
      await instance('large', `127.0.0.1:${port}`)
      await route('large', 'large', { pages: { 404: page('mine', { intercept: true }) } })
      const got = await bytesOf(it.gateway.httpPort, 'large.test')
      t.ok(got.equals(bytes), `${got.length} bytes`)
      t.match(await ask('large', '/404'), { status: 404, body: 'mine' })
      await route('events', 'web', { pages: { 404: page('mine', { intercept: true }) } })
      const first = await firstOf(it.gateway.httpPort, 'events.test', '/?sse')
      t.equal(first, 'data: first\n\n', 'at once')
    })

    t.test('a host without a fitting route, and one that serves nobody', async (t) => {
      await route('app', 'web', { pathPrefix: '/app' })
      t.match(await ask('app', '/'), { status: 404, body: /^404 No route/ })
      await put('routes/rest', { hosts: ['app.test'], pages: { 404: page('not here') } })
      t.match(await ask('app', '/'), { status: 404, body: 'not here' })
      t.match(await ask('app', '/app'), { status: 200 })
    })

    t.test('they change with the next request, and go', async (t) => {
      await route('live', 'nobody', { pages: { 503: page('one') } })
      t.match(await ask('live'), { status: 503, body: 'one' })
      await route('live', 'nobody', { pages: { 503: page('two', { status: 500 }) } })
      t.match(await ask('live'), { status: 500, body: 'two' })
      await route('live', 'nobody', {})
      t.match(await ask('live'), { status: 503, body: /^503 No instance of nobody/ })
    })

    t.test('the access log has what it had before', (t) => {
      const all = it.gateway.accessLog()
      t.ok(all.some(({ upstream, tries }) => upstream === 'dead' && tries === 1))
      t.notMatch(JSON.stringify(all.map(({ upstream, instance }) => [upstream, instance])), /!/)
      t.notMatch(it.gateway.errorLog(), /sluice: /)
      t.end()
    })
  })
}

t.test('explain names them, and a wrong one is refused by name', async (t) => {
  const it = await startControlled(t, { kind: 'njs' })
  const put = (pages: unknown) =>
    it.call('PUT', '/v1/routes/app', { hosts: ['app.test'], upstream: 'web', pages })
  const cases: Array<[pages: unknown, field: string]> = [
    [{}, 'pages'],
    [[], 'pages'],
    [{ 200: {} }, 'pages.200'],
    [{ '4xx': {} }, 'pages.4xx'],
    [{ 404: 'x' }, 'pages.404'],
    [{ 404: { status: 302 } }, 'pages.404.status'],
    [{ 404: { body: 7 } }, 'pages.404.body'],
    [{ 404: { contentType: 'a\r\nb' } }, 'pages.404.contentType'],
    [{ 404: { intercept: 1 } }, 'pages.404.intercept'],
    [{ 404: { headers: {} } }, 'pages.404.headers'],
    [{ 500: {} }, 'pages.500.intercept'],
  ]
  for (const [pages, field] of cases) {
    const { status, body } = await put(pages)
    t.match({ status, field: body.field }, { status: 400, field }, JSON.stringify(pages))
  }
  t.equal((await put({ 404: { body: 'x' }, 500: { intercept: true } })).status, 201)
  const shown = { status: 404, contentType: 'text/html; charset=utf-8', body: 'x' }
  t.match((await it.call('GET', '/v1/routes/app')).body.pages, { 404: shown, 500: {} })
  const why = (await it.call('GET', '/v1/explain?host=app.test')).body.why.join('\n')
  t.match(why, /404 is answered by a page of its own, with status 404, where Sluice says it/)
  t.match(why, /500 .* whoever says it/)
})

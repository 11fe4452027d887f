// What a route does besides choosing an upstream, in nginx. The contract's guard makes of a route
// what the table holds.
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { refusingAddress, startBackend, startFaultyBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway, type Gateway } from '../../../lab/nginx/gateway.js'
import { splitUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'
import { echoOf } from '../../support/echo.js'
import { routeUnits } from '../../support/route-units.js'

t.setTimeout(170_000)

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, rawPaths: true })
    const web = await startBackend(t, 'web')
    const api = await startBackend(t, 'api')
    const { pool } = gateway
    const webPeers = [{ id: 'w1', address: web.address, pooled: pool }]
    const apiPeers = [{ id: 'a1', address: api.address, pooled: pool }]
    const dead = { id: 'w0', address: await refusingAddress(), weight: 3, pooled: false }
    const hanging = await startFaultyBackend(t, 'hang')
    const routes = [
      routeUnits('strip', ':web', { pathPrefix: '/api', rewrite: { stripPrefix: true } }),
      routeUnits('deep', ':web', { pathPrefix: '/a/b', rewrite: { replacePrefix: '/v2/x' } }),
      routeUnits('root', ':web', { rewrite: { replacePrefix: '/v2' } }),
      routeUnits('named', ':web', { upstreamHost: 'internal.example:81' }),
      routeUnits('lossy', ':lossy', { pathPrefix: '/api', rewrite: { stripPrefix: true } }),
      routeUnits('parted', '~parted', { pathPrefix: '/api', rewrite: { stripPrefix: true } }),
      routeUnits('nobody', ':nobody', { pathPrefix: '/api', rewrite: { stripPrefix: true } }),
      routeUnits('secure', ':web', { redirect: { scheme: 'https', status: 301 } }),
      routeUnits('old', '-', { pathPrefix: '/x', redirect: { host: 'new.test', port: 8443 } }),
      routeUnits('moved', '-', {
        pathPrefix: '/a',
        redirect: { replacePrefix: '/b', status: 308 },
      }),
      routeUnits('page', '-', { redirect: { path: '/only', status: 307 } }),
      routeUnits('same', '-', { redirect: { host: 'same.test' } }),
      routeUnits('closed', ':web', {
        maintenance: { status: 503, contentType: 'text/html; charset=utf-8', body: '<p>Zurück\n' },
      }),
      routeUnits('headers', ':web', {
        requestHeaders: {
          set: { 'X-Tenant': 'a "b" $c' },
          add: { 'X-Also': 'two' },
          remove: ['Authorization', 'X-Forwarded-For'],
        },
        responseHeaders: {
          set: { 'X-Own': 'route', 'Strict-Transport-Security': 'max-age=1' },
          add: { Vary: 'Origin' },
          remove: ['X-Gone'],
        },
      }),
      routeUnits('simple', ':web', { requestHeaders: { set: { 'X-Tenant': 'a' } } }),
      routeUnits('hsts', '-', {
        redirect: { host: 'new.test' },
        responseHeaders: { set: { 'X-By': 'route' } },
      }),
      routeUnits('small', ':web', { maxBodyBytes: 1000 }),
      routeUnits('quick', ':web', { timeouts: { readMs: 1000 }, rewrite: { replacePrefix: '/q' } }),
      routeUnits('buffered', ':web', { buffering: true }),
      routeUnits('streamed', ':web', { buffering: false }),
      routeUnits('copied', ':web', {
        mirror: { upstream: 'api', percent: 100 },
        requestHeaders: { remove: ['X-Secret'] },
      }),
      routeUnits('parts', ':web', { mirror: { upstream: 'api', percent: 30 } }),
      routeUnits('stuck', ':web', { mirror: { upstream: 'hanging', percent: 100 } }),
      routeUnits('adrift', ':web', { mirror: { upstream: 'nobody', percent: 100 } }),
    ]
    await gateway.fillPool(web.address, api.address)
    await gateway.setTable(
      upstreamUnit('web', webPeers),
      upstreamUnit('api', apiPeers),
      upstreamUnit('lossy', [dead, ...webPeers]),
      upstreamUnit('hanging', [{ id: 'h', address: hanging.address }]),
      upstreamUnit('nobody', [{ ...dead, up: false }]),
      splitUnit('parted', [
        { upstream: 'web', weight: 1, peers: webPeers },
        { upstream: 'api', weight: 1, peers: apiPeers },
      ]),
      ...routes.flat(),
    )
    rewrites(t, gateway)
    await t.test('redirects keep what they do not replace', (t) => redirects(t, gateway))

    t.test('the Host that the upstream gets', async (t) => {
      const { headers } = echoOf(await gateway.ask({ host: 'named.test', path: '/x' }))
      t.equal(headers.host, 'internal.example:81')
      t.equal(
        headers['x-forwarded-host'],
        'named.test',
        'what the client asked for is passed on too',
      )
    })

    await t.test('headers are set, added and removed both ways', (t) => headers(t, gateway))
    await t.test('limits refuse what is too large, and end what is silent for too long', (t) =>
      limits(t, gateway, web),
    )
    await t.test('mirrors get a copy, and change no answer', (t) => mirrors(t, gateway, api))
    await t.test('upgrades and events pass', (t) => streams(t, gateway))

    t.test('maintenance answers by itself, and the upstream hears nothing', async (t) => {
      const before = web.ledger.length
      const answer = await gateway.ask({ host: 'closed.test', path: '/any', method: 'POST' })
      t.equal(answer.status, 503)
      t.equal(answer.body, '<p>Zurück\n')
      t.equal(answer.headers['content-type'], 'text/html; charset=utf-8')
      t.equal(answer.headers['cache-control'], 'no-store')
      t.equal(answer.headers['x-sluice-peer'], undefined)
      t.equal(web.ledger.length, before)
    })
  })
}

function rewrites(t: Test, gateway: Gateway): void {
  const urlOf = async (host: string, path: string): Promise<string> => {
    const answer = await gateway.ask({ host, path })
    return answer.status === 200 ? echoOf(answer).url : String(answer.status)
  }

  t.test('a stripped prefix leaves the rest byte for byte, raw paths too', async (t) => {
    const rests = [
      '/x',
      '/',
      '/x?a=/api&b=%2F',
      '//x',
      '/x%2Fy',
      '/a%20b',
      '/x/../y',
      '/./x',
      '/%7e',
    ]
    for (const rest of rests) {
      t.equal(await urlOf('strip.test', `/api${rest}`), rest, rest)
    }
    t.equal(await urlOf('strip.test', '/api'), '/')
    t.equal(await urlOf('strip.test', '/api?q=1'), '/?q=1')
    t.equal(await urlOf('strip.test', '/%61p%69/x'), '/x', 'an encoded prefix')
    t.equal(await urlOf('strip.test', '/z/..//api/x'), '/x', 'a prefix behind a detour')
    t.equal(await urlOf('strip.test', '/api/../api/y'), '/y', 'the last way into the prefix counts')
    t.equal(await urlOf('strip.test', '/api%2Fx'), '/x', 'an encoded slash behind it')
    t.equal(await urlOf('strip.test', '/apix'), '404')
    t.equal(await urlOf('strip.test', '/api/../x'), '404')
  })

  t.test('a replaced prefix leaves the rest of the path byte for byte', async (t) => {
    t.equal(await urlOf('deep.test', '/a/b/c%2Fd?e=f'), '/v2/x/c%2Fd?e=f')
    t.equal(await urlOf('deep.test', '/a/b'), '/v2/x')
    t.equal(await urlOf('root.test', '/c?d'), '/v2/c?d')
  })

  t.test('a body and a second try', async (t) => {
    const body = Buffer.alloc(300_000, 'x')
    for (let i = 0; i < 20; i++) {
      const answer = await gateway.ask({
        host: 'lossy.test',
        path: '/api/p?q',
        method: 'POST',
        body,
      })
      t.equal(answer.status, 200)
      t.match(echoOf(answer), { url: '/p?q', bytes: body.length, method: 'POST' })
    }
  })

  t.test('a split of a route that acts serves from both sides', async (t) => {
    const ids = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const answer = echoOf(await gateway.ask({ host: 'parted.test', path: '/api/s' }))
      t.equal(answer.url, '/s')
      ids.add(answer.id)
    }
    t.same([...ids].sort(), ['api', 'web'])
  })

  t.test('no instance is up: 503 names the upstream', async (t) => {
    const answer = await gateway.ask({ host: 'nobody.test', path: '/api/s' })
    t.equal(answer.status, 503)
    t.match(answer.body, /No instance of nobody is up/)
  })
}

async function redirects(t: Test, gateway: Gateway): Promise<void> {
  const to = async (host: string, path: string): Promise<string> => {
    const { status, headers } = await gateway.ask({ host, path })
    return `${status} ${headers.location ?? ''}`.trim()
  }
  t.equal(await to('secure.test', '/a%2Fb?c'), '301 https://secure.test/a%2Fb?c')
  t.equal(await to('SECURE.test:8080', '//evil/'), '301 https://secure.test//evil/')
  t.equal(await to('old.test', '/x/y?z'), '302 http://new.test:8443/x/y?z')
  t.equal(await to('moved.test:81', '/a/y?z'), '308 http://moved.test:81/b/y?z')
  t.equal(await to('moved.test', '/a'), '308 http://moved.test/b')
  t.equal(await to('page.test', '/else?q'), '307 http://page.test/only?q')
  t.equal(await to('page.test', '/only'), '404', 'it does not lead to itself')
  t.equal(await to('same.test', '/'), '404')
}

async function headers(t: Test, gateway: Gateway): Promise<void> {
  const sent = {
    ...{ 'X-Tenant': 'mine', 'X-Also': 'one', Authorization: 'secret', Cookie: 'a=b; c=d' },
    ...{ 'Content-Type': 'text/x', 'X-Sluice-Pick': ':api/1' },
  }
  const ask = { host: 'headers.test', path: '/?q', method: 'POST', headers: sent, body: 'four' }
  const answer = await gateway.ask(ask)
  const seen = echoOf(answer)
  t.match(seen, { id: 'web', bytes: 4, url: '/?q', method: 'POST' })
  t.equal(seen.headers['x-tenant'], 'a "b" $c')
  t.equal(seen.headers['x-also'], 'one, two')
  t.equal(seen.headers.authorization, undefined)
  t.equal(seen.headers['x-forwarded-for'], undefined)
  t.equal(seen.headers.cookie, 'a=b; c=d')
  t.equal(seen.headers['content-type'], 'text/x')
  t.equal(seen.headers.host, 'headers.test')
  t.equal(seen.headers['x-sluice-pick'], undefined)
  t.equal(answer.headers['x-own'], 'route')
  t.equal(answer.headers['strict-transport-security'], 'max-age=1')
  t.equal(answer.headers.vary, 'Origin')
  t.equal(answer.headers['content-type'], 'application/json')
  t.equal(answer.headers['x-sluice-peer'], undefined)

  const simple = echoOf(await gateway.ask({ host: 'simple.test', headers: { 'X-Other': 'kept' } }))
  t.match(simple.headers, { 'x-tenant': 'a', 'x-other': 'kept', 'x-forwarded-host': 'simple.test' })
  t.equal((await gateway.ask({ host: 'hsts.test' })).headers['x-by'], 'route')
}

async function limits(t: Test, gateway: Gateway, web: Backend): Promise<void> {
  const post = async (bytes: number, chunkBytes?: number): Promise<number> => {
    const body = Buffer.alloc(bytes, 'x')
    const ask = { host: 'small.test', method: 'POST', body, ...(chunkBytes && { chunkBytes }) }
    return (await gateway.ask(ask)).status
  }
  t.equal(await post(1000), 200)
  t.equal(await post(1001), 413)
  t.equal(await post(1000, 300), 200, 'in chunks')
  t.equal(await post(1200, 300), 413, 'in chunks')

  t.equal(echoOf(await gateway.ask({ host: 'quick.test', path: '/a' })).url, '/q/a')
  const body = Buffer.alloc(300_000, 'x')
  const large = await gateway.ask({ host: 'quick.test', path: '/b', method: 'POST', body })
  t.match(echoOf(large), { url: '/q/b', bytes: body.length, method: 'POST' })
  const before = web.ledger.length
  const late = await gateway.ask({ host: 'quick.test', path: '/hold' })
  t.equal(late.status, 504)
  t.match(late.body, /silent for too long/)
  await until(() => web.held() === 0, { what: 'the peer to be let go' })
  t.equal(web.ledger.length, before + 1, 'it is not asked twice')

  for (const host of ['buffered.test', 'streamed.test']) {
    const answer = await gateway.ask({ host })
    t.equal(answer.status, 200)
    t.equal(answer.headers['x-accel-buffering'], undefined, 'said to the server in front alone')
  }
}

async function mirrors(t: Test, gateway: Gateway, api: Backend): Promise<void> {
  const from = api.ledger.length
  const body = Buffer.alloc(300_000, 'm')
  const headers = { 'X-Secret': 'no', 'X-Kept': 'yes' }
  const path = '/a%2Fb?c'
  const answer = await gateway.ask({ host: 'copied.test', path, method: 'POST', body, headers })
  t.match(echoOf(answer), { id: 'web', url: path, bytes: body.length })
  await until(() => api.ledger[from]?.bytes === body.length, { what: 'the copy' })
  const copy = api.ledger[from]
  t.match(copy, { url: path, method: 'POST', headers: { host: 'copied.test', 'x-kept': 'yes' } })
  t.equal(copy?.headers['x-secret'], undefined)

  const some = api.ledger.length
  for (let i = 0; i < 200; i++) {
    await gateway.ask({ host: 'parts.test' })
  }
  await until(() => api.ledger.length > some)
  const part = api.ledger.length - some
  t.ok(part > 20 && part < 120, `${part} of 200 at 30 %`)
  t.equal((await gateway.ask({ host: 'adrift.test' })).status, 200, 'nobody to copy to')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 3; i++) {
    const { status } = await gateway.ask({ host: 'stuck.test', agent })
    t.equal(status, 200, 'a copy that nobody answers holds nobody up')
  }
  agent.destroy()
}

/** By a route whose request is changed. */
async function streams(t: Test, gateway: Gateway): Promise<void> {
  const request = httpRequest({
    ...{ host: '127.0.0.1', port: gateway.httpPort, path: '/api/up' },
    headers: { Host: 'strip.test', Connection: 'Upgrade', Upgrade: 'websocket' },
  })
  request.end()
  const [, socket] = (await once(request, 'upgrade')) as [unknown, Socket]
  socket.write('ping')
  const [echo] = (await once(socket, 'data')) as [Buffer]
  t.equal(echo.toString(), 'ping')
  socket.destroy()

  const events = httpRequest({
    ...{ host: '127.0.0.1', port: gateway.httpPort, path: '/api/sse' },
    headers: { Host: 'strip.test' },
  })
  events.end()
  const [response] = (await once(events, 'response')) as [IncomingMessage]
  const [first] = (await once(response, 'data')) as [Buffer]
  t.equal(first.toString(), 'data: first\n\n', 'before the answer ends')
  events.destroy()
}

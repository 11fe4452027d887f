// What a route changes without the hop. A request that came by the hop has no X-Sluice-Pick any
// more, one that the front's pool was asked for has.
import t from 'tap'
import type { Answer } from '../../../lab/ask.js'
import { refusingAddress, startBackend } from '../../../lab/backends/backend.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { ruledUnit, splitUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { rawAsk, readRaw } from '../../../lab/raw-ask.js'
import { until } from '../../../lab/until.js'
import { echoOf } from '../../support/echo.js'
import { routeUnits } from '../../support/route-units.js'

t.setTimeout(120_000)

const isDirect = (answer: Answer): boolean => echoOf(answer).headers['x-sluice-pick'] !== undefined

const ROUTES = [
  routeUnits('strip', ':web', { pathPrefix: '/api', rewrite: { stripPrefix: true } }),
  routeUnits('all', ':web', {
    pathPrefix: '/a/b',
    rewrite: { replacePrefix: '/v2' },
    upstreamHost: 'internal.test:81',
    requestHeaders: { set: { 'X-Tenant': 'a "b" $c' }, add: { 'X-Also': 'two' } },
    responseHeaders: { set: { 'X-Own': 'route' }, add: { Vary: 'Origin' }, remove: ['X-Gone'] },
  }),
  routeUnits('forwarded', ':web', { requestHeaders: { set: { 'X-Forwarded-Proto': 'https' } } }),
  routeUnits('parted', '~parted', { rewrite: { replacePrefix: '/p' } }),
  routeUnits('least', ':least', { rewrite: { replacePrefix: '/l' } }),
  routeUnits('hashed', ':hashed', { rewrite: { replacePrefix: '/h' } }),
  routeUnits('failing', ':failing', {
    rewrite: { replacePrefix: '/f' },
    requestHeaders: { set: { 'X-Tenant': 'f' } },
    responseHeaders: { set: { 'X-Own': 'route' } },
  }),
  routeUnits('nobody', ':nobody', { responseHeaders: { set: { 'X-Own': 'route' } } }),
]

for (const kind of ['njs', 'qjs'] as const) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind })
    const [web, api] = [await startBackend(t, 'web'), await startBackend(t, 'api')]
    const dead = { id: 'w0', address: await refusingAddress(), weight: 1000, pooled: true }
    await gateway.fillPool(web.address, api.address, dead.address)
    const webPeers = [{ id: 'w1', address: web.address, pooled: true }]
    const apiPeers = [{ id: 'a1', address: api.address, pooled: true }]
    await gateway.setTable(
      upstreamUnit('web', webPeers),
      upstreamUnit('failing', [dead, ...webPeers]),
      upstreamUnit('nobody', [{ ...dead, up: false }]),
      ruledUnit('least', webPeers, { balance: 'c' }, { main: ['w1'] }),
      ruledUnit('hashed', webPeers, { balance: 'h', key: 'uri' }, { main: ['w1'] }),
      splitUnit('parted', [
        { upstream: 'web', weight: 1, peers: webPeers },
        { upstream: 'api', weight: 1, peers: apiPeers },
      ]),
      ...ROUTES.flat(),
    )

    t.test('an empty header, and bytes that are no text, are what they are', async (t) => {
      const sent = async (path: string, ...lines: string[]) => {
        const text = [`GET ${path} HTTP/1.1`, ...lines, 'Connection: close', '', ''].join('\r\n')
        const { json } = readRaw(await rawAsk(gateway.httpPort, Buffer.from(text, 'latin1')))
        return json as { url: string; rawHeaders: string[] }
      }
      const { rawHeaders } = await sent('/a/b', 'Host: all.test', 'X-Tenant:')
      const found = rawHeaders.filter((_, i) => /^x-tenant$/i.test(rawHeaders[i - 1] ?? ''))
      t.same(found, ['a "b" $c'], 'what the route sets is all there is')
      t.equal((await sent('/api/\u00ff?\u00fe', 'Host: strip.test')).url, '/%FF?%FE')
    })

    t.test('path, Host, headers and answer are changed on the way to the instance', async (t) => {
      const ask = { host: 'all.test', path: '/a/b/c%20d?x=/a/b', headers: { 'X-Other': 'kept' } }
      for (const more of [{}, { method: 'POST', body: 'four' }]) {
        const answer = await gateway.ask({ ...ask, ...more })
        const seen = echoOf(answer)
        t.ok(isDirect(answer), 'without the hop')
        t.equal(seen.url, '/v2/c%20d?x=/a/b')
        t.match(seen.headers, {
          host: 'internal.test:81',
          'x-tenant': 'a "b" $c',
          'x-also': 'two',
          'x-other': 'kept',
          'x-forwarded-host': 'all.test',
        })
        t.equal(seen.bytes, 'body' in more ? 4 : 0)
        t.match(answer.headers, { 'x-own': 'route', vary: 'Origin' })
      }
    })

    t.test('paths that are not written as they are read', async (t) => {
      const paths = {
        '/api': '/',
        '/api?q': '/?q',
        '/api/': '/',
        '/api/x': '/x',
        '/%61pi/x': '/x',
        '//api//x': '//x',
        '/api/%2561?%20': '/%2561?%20',
        '/x/../api/y': 400,
      }
      for (const [path, wanted] of Object.entries(paths)) {
        const answer = await gateway.ask({ host: 'strip.test', path })
        t.equal(answer.status === 200 ? echoOf(answer).url : answer.status, wanted, path)
      }
    })

    t.test('a header that the client sent is replaced by the hop', async (t) => {
      const headers = { 'x-tenant': 'mine' }
      const answer = await gateway.ask({ host: 'all.test', path: '/a/b/x', headers })
      t.match(echoOf(answer), { url: '/v2/x', headers: { 'x-tenant': 'a "b" $c' } })
      t.notOk(isDirect(answer))
      t.equal(answer.headers['x-own'], 'route')
      const forwarded = await gateway.ask({ host: 'forwarded.test' })
      t.equal(echoOf(forwarded).headers['x-forwarded-proto'], 'https')
    })

    t.test('splits and policies choose as they do without a change', async (t) => {
      const seen = new Set<string>()
      for (let i = 0; i < 30; i++) {
        const answer = await gateway.ask({ host: 'parted.test', path: `/${i}` })
        t.ok(isDirect(answer))
        t.equal(echoOf(answer).url, `/p/${i}`)
        seen.add(echoOf(answer).id)
      }
      t.same([...seen].sort(), ['api', 'web'])
      const least = await gateway.ask({ host: 'least.test' })
      t.match([echoOf(least).url, isDirect(least)], ['/l/', true])
      const hashed = await gateway.ask({ host: 'hashed.test' })
      t.match([echoOf(hashed).url, isDirect(hashed)], ['/h/', false], 'a hash of what is changed')
    })

    t.test('an instance that refuses: another one gets the same', async (t) => {
      for (const method of ['GET', 'POST']) {
        const body = method === 'POST' ? { body: 'four' } : {}
        for (let i = 0; i < 10; i++) {
          const answer = await gateway.ask({ host: 'failing.test', path: '/x?q', method, ...body })
          t.match(echoOf(answer), { id: 'web', url: '/f/x?q', headers: { 'x-tenant': 'f' } })
          t.equal(answer.headers['x-own'], 'route')
        }
      }
      const none = await gateway.ask({ host: 'nobody.test' })
      t.match([none.status, none.headers['x-own']], [503, 'route'])
    })

    t.test('what is in flight is counted, and the log names the instance', async (t) => {
      const sid = sidOfAddress(web.address)
      for (const more of [{}, { method: 'POST', body: 'four' }]) {
        const held = gateway.ask({ host: 'strip.test', path: '/api/hold', ...more })
        await until(() => web.held() === 1)
        t.equal(await gateway.active(sid), 1)
        web.release()
        t.equal((await held).status, 200)
        await until(async () => (await gateway.active(sid)) === 0)
      }
      await until(() => gateway.accessLog().some(({ uri }) => uri === '/api/hold'))
      t.match(
        gateway.accessLog().find(({ uri }) => uri === '/api/hold'),
        { host: 'strip.test', upstream: 'web', instance: 'w1', tries: 1, address: web.address },
      )
    })

    t.notMatch(gateway.errorLog(), /js exception|\[(error|crit|alert|emerg)\] .*sluice\.js/)
  })
}

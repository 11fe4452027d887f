// What clients and instances send to get more than is theirs, where plain nginx serves by a file.
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { rawAsk, readRaw } from '../../../lab/raw-ask.js'
import { until } from '../../../lab/until.js'
import { filePlace, instance, startFileMode } from '../../support/file-mode.js'
import { BELIEVED, PROXY, SAID } from '../../support/forwarded.js'
import { UPGRADES_OVER_H2, askH2, upgradingH2 } from '../../support/raw-h2.js'
import { head, sendRaw } from '../../support/raw-http.js'

const MOST = 1 << 20

/** Lines of an operator's own, with whatever makes it easier for others. */
const HTTP = `underscores_in_headers on; http2 on;
  set_real_ip_from ${PROXY}; real_ip_header X-Forwarded-For; real_ip_recursive on;`

interface Seen {
  url: string
  headers: IncomingHttpHeaders
}

const route = (id: string, value: object) => ({
  type: 'put' as const,
  key: `routes/${id}`,
  value: JSON.stringify(value),
})

t.test('an nginx in file mode', async (t) => {
  const place = await filePlace(t, HTTP)
  place.settings.trustedProxies = [`${PROXY}/32`]
  place.settings.maxBodyBytes = MOST
  const web = await startBackend(t, 'web')
  const steering = createServer((_, response) => {
    response.setHeader('X-Accel-Redirect', '/closed')
    response.setHeader('X-Accel-Limit-Rate', '1')
    response.end('its own')
  })
  await new Promise<void>((resolve) => steering.listen(0, '127.0.0.1', resolve))
  t.teardown(() => steering.close())
  const { commit, isLevel } = await startFileMode(t, place, {})
  const hosts = ['acts.test']
  await commit(
    instance('web', 'a', web.port),
    instance('steering', 's', (steering.address() as AddressInfo).port),
    route('all', { hosts, upstream: 'web' }),
    route('steered', { hosts, pathPrefix: '/steered', upstream: 'steering' }),
    route('closed', {
      hosts,
      pathPrefix: '/closed',
      maintenance: { status: 503, contentType: 'text/plain', body: 'closed' },
    }),
    route('moved', {
      hosts,
      pathPrefix: '/moved',
      upstream: 'web',
      redirect: { scheme: 'https', status: 301 },
    }),
    route('set', {
      hosts,
      pathPrefix: '/set',
      upstream: 'web',
      requestHeaders: { set: { 'X-Set': 'by the route' } },
    }),
    route('h2c', { hosts, pathPrefix: '/h2c', upstream: 'web', upgrade: ['h2c'] }),
  )
  await until(isLevel, { deadlineMs: 60_000, what: 'nginx to serve the routes' })
  const sent = async (from: string, ...lines: string[]) => {
    const text = `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
    const answer = await rawAsk(place.port, text, from)
    const { json, ...more } = readRaw(answer)
    return { ...more, answer, seen: json as Seen | undefined }
  }
  const get = (path: string, ...lines: string[]) =>
    sent('127.0.0.1', `GET ${path} HTTP/1.1`, 'Host: acts.test', ...lines)

  t.test('an instance does not steer nginx', async (t) => {
    t.match(await get('/steered'), { status: 200, answer: /its own$/ })
  })

  t.test('no other spelling of our headers reaches an instance', async (t) => {
    const names = ['X_Real_IP', 'X_Forwarded_For', 'X-Forwarded_Proto', 'X_Forwarded-Host']
    for (const path of ['/', '/set']) {
      const { seen } = await get(path, ...names.map((name) => `${name}: 6.6.6.6`), 'x_own: y')
      t.equal(seen?.headers.x_own, 'y', path)
      t.notMatch(JSON.stringify(seen?.headers), /6\.6\.6\.6/, path)
    }
  })

  t.test('a body above what nginx takes is refused by its length', async (t) => {
    const raw = sendRaw(t, place.port, head('acts.test', '/', `Content-Length: ${MOST + 1}`))
    t.equal(await raw.first(), '413')
  })

  t.test('the host of the first line counts, and none is needed', async (t) => {
    const foreign = 'Host: other.test'
    for (const path of ['/', '/set']) {
      const { seen } = await sent('127.0.0.1', `GET http://Acts.Test${path} HTTP/1.1`, foreign)
      t.match(seen?.headers, { host: 'acts.test', 'x-forwarded-host': 'acts.test' }, path)
    }
    const moved = await sent('127.0.0.1', 'GET http://acts.test/moved HTTP/1.1', foreign)
    t.match(moved, { status: 301, location: 'https://acts.test/moved' })
    t.equal((await sent('127.0.0.1', 'GET / HTTP/1.0')).status, 404)
  })

  t.test('a path with a parent in it crosses no border', async (t) => {
    for (const path of ['/closed/../y', '/closed/..%2fy', '/y/%2e%2e/closed', '/a/..;x/y']) {
      t.equal((await get(path)).status, 400, path)
    }
    t.equal((await get('/%63losed//x')).status, 503)
  })

  t.test('no tunnel but WebSocket is made', async (t) => {
    const { seen } = await get('/', 'Upgrade: h2c')
    t.equal(seen?.headers.upgrade, undefined)
    for (const [path, protocol] of UPGRADES_OVER_H2) {
      const { length } = web.ledger
      t.equal(await askH2(place.port, upgradingH2('acts.test', path, protocol)), 'answered')
      t.match(web.ledger.slice(length), [{ url: path, headers: { upgrade: undefined } }], protocol)
    }
  })

  t.test('whoever is trusted is believed; what others say is replaced', async (t) => {
    const said = Object.entries(SAID).map(([name, value]) => `${name}: ${value}`)
    for (const path of ['/', '/set']) {
      t.match((await get(path, ...said)).seen?.headers, {
        'x-forwarded-for': /^127\.0\.0\.1$/,
        'x-forwarded-proto': 'http',
        'x-forwarded-host': 'acts.test',
        'x-forwarded-port': `${place.port}`,
        forwarded: undefined,
      })
      const lines = [`GET ${path} HTTP/1.1`, 'Host: acts.test']
      t.match((await sent(PROXY, ...lines, ...said)).seen?.headers, BELIEVED)
      const forwarded = await sent(PROXY, ...lines, said[3] as string)
      t.match(forwarded.seen?.headers, {
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'public.test',
      })
    }
    const moved = { status: 301, location: 'https://acts.test/moved' }
    t.match(await get('/moved', ...said), moved)
    const asked = ['GET /moved HTTP/1.1', 'Host: acts.test']
    t.equal((await sent(PROXY, ...asked, ...said)).status, 200, 'where it leads already')
  })
})

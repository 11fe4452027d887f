/** From a request to a peer, in each kind of gateway. */
import { Agent } from 'node:http'
import t from 'tap'
import { prefixHash } from '../../../contract/table/host-record.js'
import { ask, type Answer } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway, type Gateway } from '../../../lab/nginx/gateway.js'
import {
  hostUnit,
  namedSlots,
  splitUnit,
  upstreamUnit,
  type TestPeer,
} from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

/** A user's own server: each directive a user may want beside the include. */
const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port} reuseport;
    add_header X-Worker $pid always;
    location / {
      set $sluice_upstream web;
      client_max_body_size 5m;
      client_body_buffer_size 64k;
      proxy_request_buffering off;
      proxy_buffering on;
      proxy_buffers 8 16k;
      proxy_connect_timeout 3s;
      proxy_read_timeout 30s;
      proxy_send_timeout 30s;
      proxy_next_upstream error timeout http_503;
      proxy_redirect off;
      proxy_set_header X-Mine yes;
      limit_rate 0;
      include "$HOME/sluice/proxy.conf";
    }
    location /other/ {
      set $sluice_upstream api;
      include "$HOME/sluice/proxy.conf";
    }
    location /missing/ {
      set $sluice_upstream missing;
      include "$HOME/sluice/proxy.conf";
    }
    location /own-headers/ {
      set $sluice_upstream web;
      set $sluice_key ":$sluice_upstream/$sluice_slot";
      proxy_set_header Host own.example;
      include "$HOME/sluice/pass.conf";
    }
    location /static { return 200 static; }
  }`

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf })
    const web = await startBackend(t, 'web')
    const api = await startBackend(t, 'api')
    const many = await startBackend(t, 'many', '0.0.0.0')
    const { pool } = gateway
    const webPeers = [{ id: 'w1', address: web.address, pooled: pool }]
    const apiPeers = [{ id: 'a1', address: api.address, pooled: pool }]
    const webUnit = upstreamUnit('web', webPeers)
    const apiUnit = upstreamUnit('api', apiPeers)
    const hosts = [
      hostUnit('web.test', [['/', ':web']], webUnit),
      // By a name that no line has.
      hostUnit(
        'named.test',
        [['/', ':web']],
        namedSlots('web', webUnit, [{ id: 'n1', address: web.address }]),
      ),
      hostUnit('slow.test', [['/', ':web']]),
      hostUnit('paths.test', [
        ['/api/v2', ':web'],
        ['/api', ':api'],
      ]),
      hostUnit('*.wild.test', [['/', ':api']], apiUnit),
      hostUnit('*.deep.wild.test', [['/', ':web']]),
      hostUnit('exact.wild.test', [['/only', ':web']]),
      hostUnit('tail.*', [['/', ':api']]),
      hostUnit('tail.wild.*', [['/', ':web']]),
      hostUnit('if.test', [
        ['/a', ':api\trequest_method=POST PUT'],
        ['/a', ':api\thttp_x_canary=always, really\tcookie_beta'],
        ['/', ':api\targ_v=2'],
        ['/', ':web'],
      ]),
      manyPaths('many-paths.test', 2000),
      hostUnit('nobody.test', [['/', ':nobody']]),
      hostUnit('gone.test', [['/', ':gone']]),
    ]
    const nobody = upstreamUnit('nobody', [{ id: 'n', address: web.address, up: false }])
    const base = [webUnit, apiUnit, nobody, ...hosts]
    await gateway.fillPool(web.address, api.address)
    await gateway.setTable(...base)
    const to = async (host: string, path = '/'): Promise<string> => {
      const answer = await gateway.ask({ host, path })
      return answer.status === 200 ? (answer.json as { id: string }).id : String(answer.status)
    }
    const user = (path: string): Promise<Answer> => ask({ port: gateway.userPort, path })

    t.test('a host chooses the route, however it is written', async (t) => {
      for (const host of ['web.test', 'WEB.Test', 'web.test:8080', 'web.test.', 'web.TEST.:80']) {
        t.equal(await to(host), 'web', host)
      }
      t.equal(await to('slow.test'), 'web', 'a host without slots of its own')
      for (const host of ['web.tes', 'xweb.test', 'web.test.other', '127.0.0.1', '[::1]']) {
        t.equal(await to(host), '404', host)
      }
    })

    t.test('by path, the longest whole segments first; none with a parent in it', async (t) => {
      const expected = {
        '/api': 'api',
        '/api/': 'api',
        '/api/x?y=/api/v2': 'api',
        '/api/v2': 'web',
        '/api/v2/x': 'web',
        '/api/v22': 'api',
        '/apix': '404',
        '/': '404',
        '/%61pi/x': 'api',
        '/x/../api': '400',
      }
      for (const [path, id] of Object.entries(expected)) {
        t.equal(await to('paths.test', path), id, path)
      }
    })

    t.test('by wildcard, exact hosts first', async (t) => {
      t.equal(await to('a.wild.test'), 'api')
      t.equal(await to('a.b.wild.test'), 'api')
      t.equal(await to('x.deep.wild.test'), 'web')
      t.equal(await to('wild.test'), '404')
      t.equal(await to('exact.wild.test', '/only'), 'web')
      t.equal(await to('exact.wild.test', '/else'), '404', 'not the wildcard after all')
      t.equal(await to(`${'a.'.repeat(200)}wild.test`), '404', 'longer than any name')
      t.equal(await to('TAIL.x.y'), 'api')
      t.equal(await to('tail.wild.y'), 'web', 'the longest of those behind')
      t.equal(await to('tail.wild.test'), 'api', 'one in front comes before')
      t.equal(await to('tail'), '404')
      await gateway.setTable(...base, hostUnit('*', [['/', ':api']]))
      for (const host of ['tail', '127.0.0.1', '[::1]', `${'a.'.repeat(200)}wild.test`]) {
        t.equal(await to(host), 'api', `any host: ${host}`)
      }
      t.equal(await to('exact.wild.test', '/else'), '404', 'not any host after all')
      await gateway.setTable(...base)
    })

    t.test('by conditions, and by a shorter path where they do not hold', async (t) => {
      const asked = async (path: string, method: string, headers: Record<string, string> = {}) => {
        const { json } = await gateway.ask({ host: 'if.test', path, method, headers })
        return (json as { id: string }).id
      }
      t.equal(await asked('/a', 'PUT'), 'api')
      t.equal(await asked('/a', 'GET'), 'web')
      const canary = { 'X-CANARY': 'always, really' }
      t.equal(await asked('/a', 'GET', canary), 'web', 'both must hold')
      t.equal(await asked('/a/b', 'GET', { ...canary, cookie: 'a=1; beta=x' }), 'api')
      t.equal(
        await asked('/a', 'GET', { ...canary, cookie: 'beta=' }),
        'web',
        'nothing is no value',
      )
      t.equal(await asked('/b', 'GET', { ...canary, cookie: 'beta=x' }), 'web')
      t.equal(await asked('/a', 'GET', { ...canary, cookie: 'beta=x; beta=' }), 'api', 'the first')
      t.equal(await asked('/a', 'GET', { ...canary, cookie: 'beta=; beta=x' }), 'web', 'the first')
      t.equal(await asked('/b?v=2', 'GET'), 'api')
      t.equal(await asked('/b?v=22', 'GET'), 'web')
    })

    t.test('by one of many paths of a host', async (t) => {
      t.equal(await to('many-paths.test', '/p/s17'), 'api')
      t.equal(await to('many-paths.test', '/p/s1999/x'), 'api')
      t.equal(await to('many-paths.test', '/p/s2000'), 'web')
      t.equal(await to('many-paths.test', '/p'), 'web')
      t.equal(await to('many-paths.test', `/p/s17${'/x'.repeat(2000)}`), 'api')
      t.equal(await to('many-paths.test', '/%C3%A4/x'), 'web')
    })

    t.test('by name in a location of the user', async (t) => {
      const answer = await user('/')
      t.match(answer.json, { id: 'web', headers: { 'x-mine': 'yes', 'x-real-ip': '127.0.0.1' } })
      t.match((await user('/other/')).json, { id: 'api' })
      t.match((await user('/own-headers/')).json, { headers: { host: 'own.example' } })
      t.equal((await user('/static')).body, 'static')
      const missing = await user('/missing/')
      t.equal(missing.status, 503)
      t.match(missing.body, /missing/)
    })

    t.test('says what is missing and no address', async (t) => {
      const accept = { accept: 'text/html, application/json;q=0.9' }
      const noRoute = await gateway.ask({ host: 'no.test', headers: accept })
      t.match(noRoute, {
        status: 404,
        headers: { 'content-type': 'application/problem+json' },
        json: { status: 404, code: 'no_route', detail: /no\.test/ },
      })
      const noPeer = await gateway.ask({ host: 'nobody.test', headers: accept })
      t.match(noPeer, { status: 503, json: { code: 'no_peer', detail: /nobody/ } })
      t.match(noPeer.headers['retry-after'], /^\d+$/)
      const gone = await gateway.ask({ host: 'gone.test' })
      t.match(gone, { status: 503, headers: { 'content-type': /^text\/plain/ }, body: /gone/ })
      for (const answer of [noRoute, noPeer, gone]) {
        t.notMatch(JSON.stringify(answer), /127\.0\.0\.1|\.sock|sluice-peer/i)
      }
      const nasty = await gateway.ask({ host: `"<i>'$x;`, headers: accept })
      t.ok([400, 404].includes(nasty.status), 'newer nginx refuses such a host itself')
      t.notMatch(nasty.body, /<i>/)
      const counters = await gateway.counters()
      t.ok((counters.noRoute ?? 0) > 0 && (counters.noPeer ?? 0) > 0)
      t.equal(counters.failed, 0)
    })

    t.test('headers reach the backend and come back as they are', async (t) => {
      const forwarded = {
        'x-forwarded-for': '9.9.9.9',
        'x-forwarded-proto': 'gopher',
        'x-sluice-pick': '@web.test/1 x',
        'x-sluice-peer': 'x',
        odd_name: 'kept?',
        proxy: 'evil',
      }
      // The second goes through the hop in every kind of gateway: its peer is not in the pool.
      const byHop = upstreamUnit('byhop', [{ id: 'w1', address: web.address, pooled: false }])
      await gateway.setTable(...base, byHop, hostUnit('byhop.test', [['/', ':byhop']], byHop))
      await gateway.fillPool(api.address)
      for (const host of ['web.test:81', 'byhop.test:81']) {
        const answer = await gateway.ask({ host, path: '/a%2Fb//c?d=%20', headers: forwarded })
        t.match(answer.json, {
          url: '/a%2Fb//c?d=%20',
          headers: {
            host,
            'x-real-ip': '127.0.0.1',
            'x-forwarded-for': '127.0.0.1',
            'x-forwarded-proto': 'http',
            'x-forwarded-host': host,
            'x-forwarded-port': String(gateway.httpPort),
          },
        })
        const { rawHeaders, headers } = answer.json as { rawHeaders: string[]; headers: object }
        const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
        t.same(names, [...new Set(names)], 'none twice')
        t.notMatch(headers, { proxy: /./ })
        t.notMatch(headers, { upgrade: /./ })
        t.equal(answer.headers['x-own'], 'web')
        t.equal(answer.headers['x-sluice-peer'], undefined)
        t.equal(answer.headers['x-accel-expires'], undefined)
      }
      await gateway.fillPool(web.address, api.address)
      await gateway.setTable(...base)
    })

    t.test('weights are kept', async (t) => {
      const peers = sharers(many.port, 3).map((peer, i) => ({ ...peer, weight: [5, 3, 2][i] ?? 1 }))
      await serve(gateway, peers, base)
      const hits = await spread(gateway, many, 1500)
      const expected = peers.map(({ address, weight }) => [address, weight / 10] as const)
      // 3 classes: above this by chance once in a million.
      t.ok(chiSquare(hits, new Map(expected)) < 28, JSON.stringify([...hits]))
    })

    t.test('slots shared by a few, and by many', async (t) => {
      for (const count of [75, 600]) {
        const peers = sharers(many.port, count)
        await serve(gateway, peers, base, Math.ceil(count / 16))
        const hits = await spread(gateway, many, count * 5)
        const expected = new Map(peers.map(({ address }) => [address, 1 / count]))
        // Its mean is count - 1 and its deviation sqrt(2 count); six of them.
        const limit = count - 1 + 6 * Math.sqrt(2 * count)
        const found = chiSquare(hits, expected)
        t.ok(found < limit, `${count}: ${found} < ${limit}`)
      }
    })

    t.test('a split serves by its weights', async (t) => {
      const unit = splitUnit('canary', [
        { upstream: 'web', weight: 9, peers: webPeers },
        { upstream: 'api', weight: 1, peers: apiPeers },
      ])
      await gateway.setTable(...base, unit, hostUnit('split.test', [['/', '~canary']]))
      const ids = await Promise.all(Array.from({ length: 300 }, () => to('split.test')))
      const canary = ids.filter((id) => id === 'api').length
      t.ok(canary > 5 && canary < 70, `${canary} of 300 at 10 %`)
      t.equal(ids.filter((id) => id === 'web').length, 300 - canary)
    })

    t.test('a change holds for the next request in every worker', async (t) => {
      const seen = new Set<string>()
      for (let round = 0; round < 10 || seen.size < 2; round++) {
        const isWeb = round % 2 === 0
        const now = upstreamUnit('web', isWeb ? webPeers : apiPeers)
        await gateway.setTable(now, apiUnit)
        const answers = await Promise.all(Array.from({ length: 8 }, () => user('/')))
        for (const { json, headers } of answers) {
          seen.add(String(headers['x-worker']))
          t.equal((json as { id: string }).id, isWeb ? 'web' : 'api')
        }
      }
    })

    t.test('the table outlives a reload', async (t) => {
      await gateway.setTable(...base)
      const before = await gateway.state()
      await gateway.reload()
      const { epoch, revision, whole, pid } = await gateway.state()
      t.same(
        { epoch, revision, whole, pid },
        { epoch: before.epoch, revision: before.revision, whole: true, pid: before.pid },
      )
      t.equal(await to('web.test'), 'web')
    })

    t.test(
      'the access log says who answered: an instance, at its address, or Sluice',
      async (t) => {
        await gateway.ask({ host: 'web.test', path: '/logged?x="y' })
        await gateway.ask({ host: 'paths.test', path: '/api/logged' })
        await gateway.ask({ host: 'no.test', path: '/logged-404' })
        await gateway.ask({ host: 'nobody.test', path: '/logged-503' })
        const line = (uri: string): Promise<Record<string, unknown>> =>
          until(() => gateway.accessLog().find((each) => each.uri === uri))
        t.match(await line('/logged?x="y'), {
          upstream: 'web',
          instance: 'w1',
          tries: 1,
          status: 200,
          host: 'web.test',
          method: 'GET',
          address: web.address,
          upstreamStatus: '200',
          seconds: Number,
          requestId: /^[0-9a-f]{32}$/,
        })
        t.match(await line('/api/logged'), { upstream: 'api', instance: 'a1', tries: 1 })
        t.equal(await to('named.test', '/named'), 'web')
        const [usual, odd] = ['/named-usual', '/named-odd']
        await gateway.ask({ host: 'named.test', path: usual })
        await gateway.ask({ host: 'named.test', path: odd, headers: { referer: 'x\u00c2\u0085' } })
        const named = { upstream: 'web', tries: 1, address: web.address, upstreamStatus: '200' }
        // The hop does not ask the slot.
        t.match(await line(usual), { ...named, instance: pool ? 'n1' : 'w1' })
        t.match(await line(odd), { ...named, instance: pool ? 'n1' : 'w1', referer: 'x...' })
        const none = { instance: '-', tries: 0, address: '', upstreamStatus: '' }
        t.match(await line('/logged-404'), { ...none, upstream: '-', status: 404 })
        t.match(await line('/logged-503'), { ...none, upstream: 'nobody', status: 503 })
      },
    )

    t.test('nothing failed inside', async (t) => {
      t.equal((await gateway.counters()).failed, 0)
      t.notMatch(gateway.errorLog(), /\[(emerg|alert|crit)\]|js exception|uninitialized/)
    })
  })
}

/** `/p/s0` and so on lead to `:api`, all else to `:web`. */
function manyPaths(host: string, count: number): Map<string, string> {
  const chunks = 512
  const texts = Array.from({ length: chunks }, () => '\n')
  const paths = Array.from({ length: count }, (_, i) => `/p/s${i}`)
  for (const [path, unit] of [...paths.map((each) => [each, ':api']), ['/', ':web']] as const) {
    texts[prefixHash(path ?? '') % chunks] += `${path} ${unit}\n`
  }
  const [[name, record] = ['', '']] = [...hostUnit(host, [['*', `${chunks} 2 0`]])]
  const keys = texts.map((text, i): [string, string] => [`${name}/#${chunks}/${i}`, text])
  return new Map([...keys, [name, record]])
}

/** Peers at addresses of their own that one backend listens to. */
function sharers(port: number, count: number): TestPeer[] {
  return Array.from({ length: count }, (_, i) => {
    const address = `127.0.${1 + Math.floor(i / 200)}.${1 + (i % 200)}:${port}`
    return { id: `m${i}`, address }
  })
}

async function serve(
  gateway: Gateway,
  peers: TestPeer[],
  base: Array<Map<string, string>>,
  buckets = 1,
): Promise<void> {
  const unit = upstreamUnit('many', peers, buckets)
  await gateway.setTable(...base, unit, hostUnit('many.test', [['/', ':many']], unit))
}

async function spread(
  gateway: Gateway,
  backend: { ledger: Array<{ local: string }> },
  requests: number,
): Promise<Map<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  backend.ledger.length = 0
  const one = () => gateway.ask({ host: 'many.test', agent })
  const answers = await Promise.all(Array.from({ length: requests }, one))
  agent.destroy()
  if (answers.some(({ status }) => status !== 200)) {
    throw new Error('not all were answered')
  }
  const hits = new Map<string, number>()
  for (const { local } of backend.ledger) {
    hits.set(local, (hits.get(local) ?? 0) + 1)
  }
  return hits
}

function chiSquare(hits: Map<string, number>, expected: Map<string, number>): number {
  const total = [...hits.values()].reduce((sum, count) => sum + count, 0)
  return [...expected].reduce((sum, [key, share]) => {
    const wanted = share * total
    return sum + ((hits.get(key) ?? 0) - wanted) ** 2 / wanted
  }, 0)
}

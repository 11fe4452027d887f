// What clients and instances send to get more than is theirs, in each engine and on stable nginx.
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { hostUnit, splitUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { cpuNs } from '../../../lab/load/processes.js'
import { rawAsk } from '../../../lab/raw-ask.js'
import { freePort } from '../../../lab/ports.js'
import { takesCipher } from '../../../lab/tls-client.js'
import { until } from '../../../lab/until.js'
import { head, sendRaw } from '../../support/raw-http.js'
import { routeUnits } from '../../support/route-units.js'

t.setTimeout(170_000)

/** A user's server that takes headers with underscores, as some applications want it. */
const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    underscores_in_headers on;
    location / {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
    }
    location /missing/ {
      set $sluice_upstream missing;
      include "$HOME/sluice/proxy.conf";
    }
    location = /inner { internal; return 200 "of the user's own"; }
    location /steered/ {
      set $sluice_upstream steering;
      include "$HOME/sluice/proxy.conf";
    }
    location /steered-by-hop/ {
      set $sluice_upstream steeringbyhop;
      include "$HOME/sluice/proxy.conf";
    }
    location /trusted/ {
      set $sluice_upstream steering;
      set $sluice_key ":$sluice_upstream/$sluice_slot";
      include "$HOME/sluice/headers.conf";
      include "$HOME/sluice/pass-accel.conf";
    }
    location /trusted-by-hop/ {
      set $sluice_upstream steeringbyhop;
      set $sluice_key ":$sluice_upstream/$sluice_slot";
      include "$HOME/sluice/headers.conf";
      include "$HOME/sluice/pass-accel.conf";
    }
  }
  server {
    listen 127.0.0.1:${port};
    server_name waited.test patient.test;
    proxy_request_buffering off;
    include "$HOME/sluice/server.conf";
  }`

/** An instance that pretends to be the hop, in all spellings that are one variable of nginx's. */
function startForger(t: { teardown(fn: () => unknown): void }): Promise<string> {
  return startAnswering(t, (_, response) => {
    for (const name of ['X-Sluice-Peer', 'X_Sluice_Peer', 'X-Sluice_Peer', 'X_Sluice-Peer']) {
      response.setHeader(name, 'other forged 9')
    }
    response.end('{}')
  })
}

/** An instance that would have nginx answer something else; what it says has no type. */
function startSteering(t: { teardown(fn: () => unknown): void }): Promise<string> {
  return startAnswering(t, (request, response) => {
    response.setHeader('X-Accel-Redirect', /to=([^&]+)/.exec(request.url ?? '')?.[1] ?? '/inner')
    response.setHeader('X-Accel-Limit-Rate', request.url?.includes('trusted') === true ? '0' : '1')
    const status = Number(/^\/(204|302|304)$/.exec(request.url ?? '')?.[1] ?? 200)
    response.statusCode = status
    response.end(status === 204 || status === 304 ? '' : 'its own')
  })
}

async function startAnswering(
  t: { teardown(fn: () => unknown): void },
  answer: RequestListener,
): Promise<string> {
  const server = createServer(answer)
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${port}`
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf })
    const web = await startBackend(t, 'web')
    const api = await startBackend(t, 'api')
    const forger = await startForger(t)
    const steering = await startSteering(t)
    const { pool } = gateway
    const webUnit = upstreamUnit('web', [{ id: 'w1', address: web.address, pooled: pool }])
    const byHop = upstreamUnit('byhop', [{ id: 'w1', address: web.address, pooled: false }])
    const forged = upstreamUnit('forged', [{ id: 'f1', address: forger, pooled: false }])
    const steered = [{ id: 's1', address: steering, pooled: pool }]
    const steeringUnit = upstreamUnit('steering', steered)
    const steeringByHop = upstreamUnit('steeringbyhop', [{ id: 's1', address: steering }])
    await gateway.fillPool(web.address, steering)
    await gateway.setTable(
      ...[steeringUnit, steeringByHop],
      hostUnit('steered.test', [['/', ':steering']], steeringUnit),
      hostUnit('byhopsteered.test', [['/', ':steeringbyhop']], steeringByHop),
      ...routeUnits('acted', ':steering', { rewrite: { replacePrefix: '/' } }),
      ...routeUnits('waited', ':steering', { timeouts: { readMs: 60_000 } }),
      ...routeUnits('patient', ':web', { timeouts: { readMs: 60_000 } }),
      ...routeUnits('opted', ':web', { upgrade: ['h2c', 'tls/1.2'] }),
      ...routeUnits('optedhop', ':byhop', { upgrade: ['h2c'], rewrite: { replacePrefix: '/o' } }),
      ...routeUnits('optedsplit', '~two', { upgrade: ['h2c'] }),
      splitUnit('two', [
        { upstream: 'web', weight: 1, peers: [{ id: 'w1', address: web.address }] },
        { upstream: 'byhop', weight: 1, peers: [{ id: 'w1', address: web.address }] },
      ]),
      ...routeUnits('optednone', ':web', { upgrade: [] }),
      ...routeUnits('acting', ':web', { requestHeaders: { set: { 'X-A': 'b' } } }),
      ...routeUnits('kept', ':steering', { buffering: true }),
      ...routeUnits('led', '-', { pathPrefix: '/led', redirect: { replacePrefix: '/n' } }),
      ...routeUnits('cut', ':web', { pathPrefix: '/cut', rewrite: { replacePrefix: '/v2' } }),
      ...[webUnit, byHop, forged],
      upstreamUnit('api', [{ id: 'a1', address: api.address }]),
      hostUnit('web.test', [['/', ':web']], webUnit),
      hostUnit('byhop.test', [['/', ':byhop']], byHop),
      hostUnit('forged.test', [['/', ':forged']], forged),
    )

    t.test('no tunnel but WebSocket is made', async (t) => {
      for (const host of ['web.test', 'byhop.test']) {
        for (const protocol of ['h2c', 'websocket, h2c', 'TLS/1.2']) {
          const headers = {
            Connection: 'Upgrade, HTTP2-Settings',
            Upgrade: protocol,
            'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA',
          }
          const { status, json } = await gateway.ask({ host, headers })
          t.equal(status, 200, `${host} ${protocol}`)
          const sent = (json as { headers: IncomingHttpHeaders }).headers
          t.equal(sent.upgrade, undefined)
          t.notMatch(sent.connection ?? '', /upgrade/i)
        }
      }
    })

    t.test('a route names the protocols that it lets pass', async (t) => {
      const given = async (host: string, protocol: string): Promise<string> => {
        const seen = web.ledger.length
        const { port, path } = { port: gateway.httpPort, path: '/x' }
        const asking = ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${protocol}`]
        const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...asking, 'HTTP2-Settings: AAMA']
        const { socket, first, text } = sendRaw(t, port, `${lines.join('\r\n')}\r\n\r\n`)
        const status = await first()
        if (status === '101') {
          socket.write('through the tunnel')
          await until(() => text().includes('through the tunnel'))
        }
        socket.destroy()
        const { upgrade = '', connection = '' } = web.ledger[seen]?.headers ?? {}
        return `${status} ${upgrade} ${/upgrade.*/i.exec(connection)?.[0] ?? ''}`.trim()
      }
      const h2c = '101 h2c upgrade, http2-settings'
      const cases: Array<[host: string, protocol: string, expected: string]> = [
        ['opted.test', 'h2c', h2c],
        ['opted.test', 'H2C', h2c],
        ['opted.test', 'TLS/1.2', '101 tls/1.2 upgrade'],
        ['opted.test', 'websocket', '200'],
        ['opted.test', 'h2c, tls/1.2', '200'],
        ['optedhop.test', 'h2c', h2c],
        ['optedsplit.test', 'h2c', h2c],
        ['optednone.test', 'websocket', '200'],
        ['acting.test', 'h2c', '200'],
        ['acting.test', 'websocket', '101 websocket upgrade'],
        ['web.test', 'h2c', '200'],
        ['byhop.test', 'h2c', '200'],
        ['byhop.test', 'websocket', '101 websocket upgrade'],
      ]
      for (const [host, protocol, expected] of cases) {
        t.equal((await given(host, protocol)).toLowerCase(), expected, `${host} ${protocol}`)
      }
    })

    t.test("a client's X_Sluice_Pick chooses nothing", async (t) => {
      for (const path of ['/', '/missing/']) {
        const plain = await ask({ port: gateway.userPort, path })
        for (const pick of ['@byhop.test/1', ':api/1', ':api/1 x', '/1, :api/1', ', :api/1']) {
          for (const name of ['X_Sluice_Pick', 'X-Sluice_Pick', 'X_Sluice-Pick']) {
            const headers = { [name]: pick }
            const answer = await ask({ port: gateway.userPort, path, headers })
            t.equal(answer.status, plain.status, `${path} ${name}: ${pick}`)
            if (answer.status !== 200) {
              t.equal(answer.body, plain.body)
            }
          }
        }
      }
      t.same(api.ledger, [])
    })

    t.test('an instance does not steer nginx', async (t) => {
      const before = api.ledger.length + web.ledger.length
      // By one of these a front asks the hop for what an instance says.
      const headers = { 'X-Sluice-Accel': '1', X_Sluice_Accel: '1', 'X-Sluice_Accel': '1' }
      for (const host of ['steered', 'byhopsteered', 'acted', 'waited', 'kept']) {
        for (const method of ['GET', 'POST']) {
          for (const to of ['/inner', '/', '@sluice_to_hop', '@sluice_patient']) {
            const path = `/x?to=${to}`
            const answer = await gateway.ask({ host: `${host}.test`, path, method, headers })
            t.match(answer, { status: 200, body: 'its own' }, `${host} ${method} ${to}`)
          }
        }
      }
      for (const path of ['/steered/', '/steered-by-hop/']) {
        const answer = await ask({ port: gateway.userPort, path, headers })
        t.equal(answer.body, 'its own', path)
      }
      t.equal(api.ledger.length + web.ledger.length, before)
    })

    t.test('but where a location of the user trusts it', async (t) => {
      for (const path of ['/trusted/', '/trusted-by-hop/']) {
        const answer = await ask({ port: gateway.userPort, path })
        t.match(answer, { status: 200, body: "of the user's own" }, path)
      }
    })

    const waitedAt = [gateway.httpPort, gateway.userPort]

    t.test('a time limit adds nothing to an answer', async (t) => {
      for (const port of waitedAt) {
        for (const [path, status] of [
          ['/', 200],
          ['/204', 204],
          ['/302', 302],
          ['/304', 304],
        ] as const) {
          const answer = await gateway.ask({ port, host: 'waited.test', path })
          t.equal(answer.status, status)
          t.equal(answer.headers['content-type'], undefined, `${port}${path}`)
        }
      }
    })

    t.test('clients that reset leave no exception behind', async (t) => {
      const host = 'patient.test'
      for (const port of waitedAt) {
        for (let i = 0; i < 5; i++) {
          // Before an answer, once an instance has the request.
          const got = sendRaw(t, port, `GET /?hold HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
          await until(() => web.held() === 1)
          got.socket.resetAndDestroy()
          await until(() => web.held() === 0)
          // In an upload; when this is answered, nginx has read what came of that.
          const begun = head(host, '/', 'Content-Length: 50000') + 'x'.repeat(20_000)
          const sent = sendRaw(t, port, begun)
          t.equal((await gateway.ask({ port, host })).status, 200)
          sent.socket.resetAndDestroy()
        }
        for (let i = 0; i < 20; i++) {
          const sent = sendRaw(t, port, head(host, '/', 'Content-Length: 9'), '12')
          sent.socket.once('connect', () => sent.socket.resetAndDestroy())
          const got = sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
          got.socket.once('connect', () => setImmediate(() => got.socket.resetAndDestroy()))
        }
        t.equal((await gateway.ask({ port, host })).status, 200)
      }
      t.notMatch(gateway.errorLog(), /exception/)
    })

    t.test(
      'no cipher of TLS 1.2 without forward secrecy and authenticated encryption',
      async (t) => {
        const either = (cipher: string): string => `ECDHE-ECDSA-${cipher}:ECDHE-RSA-${cipher}`
        const refused = [
          'AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA256',
          `${either('AES128-SHA')}:${either('AES128-SHA256')}:${either('AES256-SHA384')}`,
        ]
        for (const ciphers of refused) {
          t.equal(await takesCipher(gateway.httpsPort, ciphers), false, ciphers)
        }
        t.equal(await takesCipher(gateway.httpsPort, either('AES128-GCM-SHA256')), true)
      },
    )

    t.test('a line of the access log is bounded, and has no control characters', async (t) => {
      const long = 'x'.repeat(1989) + 'é'.repeat(2000)
      const given = [
        `GET /long?${'"'.repeat(6000)} HTTP/1.1\r\nHost: web.test\r\nConnection: close`,
        `Referer: \u001b[31m${'\u001b'.repeat(6000)}`,
        `User-Agent: ${long}\r\n\r\n`,
      ].join('\r\n')
      t.not(await sendRaw(t, gateway.httpPort, given).first(), 'closed')
      for (const agent of ['an é\u009b2Jb', 'an é\u007fb']) {
        const headers = `Host: web.test\r\nUser-Agent: ${agent}\r\nConnection: close`
        const sent = sendRaw(t, gateway.httpPort, `GET /short HTTP/1.1\r\n${headers}\r\n\r\n`)
        t.not(await sent.first(), 'closed')
      }
      const lines = await until(() => {
        const all = gateway.accessLog()
        const short = all.filter(({ uri }) => uri === '/short')
        const found = all.find(({ uri }) => String(uri).startsWith('/long'))
        return short.length === 2 && found !== undefined ? { short, found } : undefined
      })
      t.same(
        lines.short.map(({ userAgent }) => userAgent),
        ['an é...', 'an é...'],
      )
      t.equal(lines.found.referer, '...')
      t.match(lines.found.uri, /^\/long\?"{1980,1994}\.\.\.$/)
      t.match(lines.found.userAgent, /^x{1989}é+\.\.\.$/, 'no character is cut in two')
      t.ok(JSON.stringify(lines.found).length < 12_000)
    })

    t.test('a long path or header costs a worker no more than its length', async (t) => {
      const { workers } = await gateway.state()
      const spent = (): number => workers.reduce((sum, pid) => sum + cpuNs(pid), 0)
      const costOf = async (host: string, path: string, ...more: string[]): Promise<number> => {
        const first = [`GET /${host}${path} HTTP/1.1`, `Host: ${host}.test`]
        const lines = [...first, ...more, 'Connection: close']
        const text = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
        let least = Infinity
        for (let round = 0; round < 3; round++) {
          const before = spent()
          for (let i = 0; i < 4; i++) {
            await rawAsk(gateway.httpPort, text)
          }
          least = Math.min(least, spent() - before)
        }
        return least
      }
      for (const host of ['led', 'cut']) {
        for (const part of ['/', '/a', '/.', '/%61', '%2f', 'x', '%61', '\u00ff']) {
          const path = (bytes: number): string => `/${part.repeat(bytes / part.length)}`
          const [short, long] = [await costOf(host, path(1800)), await costOf(host, path(7200))]
          t.ok(long < 6 * short, `${host} ${part}: ${(long / short).toFixed(1)} for four times`)
        }
      }
      const crumbs = (bytes: number) => `Cookie: ${'a=b;'.repeat(bytes / 4)}`
      const equals = (bytes: number) => `Cookie: ${'='.repeat(bytes)}`
      const fields = (bytes: number) =>
        Array(bytes / 12)
          .fill('X-A: abcde')
          .join('\r\n')
      for (const host of ['acting', 'cut']) {
        for (const made of [crumbs, equals, fields]) {
          const [short, long] = [
            await costOf(host, '/', made(1800)),
            await costOf(host, '/', made(7200)),
          ]
          t.ok(long < 6 * short, `${host} ${made.name}: ${(long / short).toFixed(1)}`)
        }
      }
    })

    t.test('an instance does not write the access log', async (t) => {
      t.equal((await gateway.ask({ host: 'forged.test', path: '/forged' })).status, 200)
      const line = await until(() => gateway.accessLog().find(({ uri }) => uri === '/forged'))
      t.match(line, { upstream: 'forged', instance: 'f1', tries: 1, upstreamStatus: '200' })
    })
  })
}

t.test('SLUICE_TLS_CIPHERS says which ciphers there are', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs', tlsCiphers: 'ECDHE+AES256:!AESGCM' })
  const takes = (cipher: string) =>
    takesCipher(gateway.httpsPort, `ECDHE-ECDSA-${cipher}:ECDHE-RSA-${cipher}`)
  t.equal(await takes('AES256-SHA'), true)
  t.equal(await takes('AES256-GCM-SHA384'), false)
})

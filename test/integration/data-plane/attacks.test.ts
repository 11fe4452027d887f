// What clients and instances send to get more than is theirs, in each engine and on stable nginx.
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { hostUnit, upstreamUnit } from '../../../lab/nginx/table.js'
import { freePort } from '../../../lab/ports.js'
import { until } from '../../../lab/until.js'

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
  }`

/** An instance that pretends to be the hop, in all spellings that are one variable of nginx's. */
async function startForger(t: { teardown(fn: () => unknown): void }): Promise<string> {
  const server = createServer((_, response) => {
    for (const name of ['X-Sluice-Peer', 'X_Sluice_Peer', 'X-Sluice_Peer', 'X_Sluice-Peer']) {
      response.setHeader(name, 'other forged 9')
    }
    response.end('{}')
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${port}`
}

for (const rig of GATEWAY_KINDS) {
  t.test(rig, async (t) => {
    const gateway = await startGateway(t, { rig, conf })
    const web = await startBackend(t, 'web')
    const api = await startBackend(t, 'api')
    const forger = await startForger(t)
    const { pool } = gateway
    const webUnit = upstreamUnit('web', [{ id: 'w1', address: web.address, pooled: pool }])
    const byHop = upstreamUnit('byhop', [{ id: 'w1', address: web.address, pooled: false }])
    const forged = upstreamUnit('forged', [{ id: 'f1', address: forger, pooled: false }])
    await gateway.fillPool(web.address)
    await gateway.setTable(
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

    t.test('an instance does not write the access log', async (t) => {
      t.equal((await gateway.ask({ host: 'forged.test', path: '/forged' })).status, 200)
      const line = await until(() => gateway.accessLog().find(({ uri }) => uri === '/forged'))
      t.match(line, { upstream: 'forged', instance: 'f1', tries: 1, upstreamStatus: '200' })
    })
  })
}

// What users write beside the include, where one request passes several locations or skips part of
// one.
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress, upstreamUnit } from '../../../lab/nginx/table.js'
import { until } from '../../../lab/until.js'

t.setTimeout(120_000)

const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    location /other-upstream/ {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
      proxy_intercept_errors on;
      error_page 503 = @other;
    }
    location @other {
      set $sluice_upstream other;
      include "$HOME/sluice/proxy.conf";
    }
    location /mirrored/ {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
      mirror /mirror;
    }
    location = /mirror {
      internal;
      set $sluice_upstream other;
      include "$HOME/sluice/proxy.conf";
    }
    location /stripped/ {
      set $sluice_upstream web;
      rewrite ^/stripped(/.*)$ $1 break;
      include "$HOME/sluice/proxy.conf";
    }
  }`

for (const rig of GATEWAY_KINDS) {
  t.test(rig, async (t) => {
    const gateway = await startGateway(t, { rig, conf })
    const web = await startBackend(t, 'web')
    const other = await startBackend(t, 'other')
    const { pool } = gateway
    await gateway.fillPool(web.address, other.address)
    await gateway.setTable(
      upstreamUnit('web', [{ id: 'w', address: web.address, pooled: pool }]),
      upstreamUnit('other', [{ id: 'o', address: other.address, pooled: pool }]),
    )
    const get = (path: string) => ask({ port: gateway.userPort, path })

    t.test('an error page that asks another upstream', async (t) => {
      for (let i = 0; i < 5; i++) {
        t.match(await get('/other-upstream/?status=503'), { json: { id: 'other' } })
      }
      t.match(await get('/other-upstream/'), { status: 200, json: { id: 'web' } })
    })

    t.test('what an error page sent on is in flight at its new peer', async (t) => {
      const sid = sidOfAddress(other.address)
      const answer = get('/other-upstream/?status=503&hold')
      await until(() => web.held() === 1)
      web.release()
      await until(() => other.held() === 1)
      t.equal(await gateway.active(sid), 1)
      other.release()
      t.match(await answer, { json: { id: 'other' } })
      await until(async () => (await gateway.active(sid)) === 0)
    })

    t.test('a mirror gets a copy of the request', async (t) => {
      const before = other.ledger.length
      t.match(await get('/mirrored/'), { status: 200, json: { id: 'web' } })
      await until(() => other.ledger.length === before + 1)
    })

    t.test('a path is stripped before the include', async (t) => {
      t.match(await get('/stripped/x'), { status: 200, json: { id: 'web', url: '/x' } })
    })
  })
}

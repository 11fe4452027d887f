/** nginx alone, started cold, serves from the fallback. */
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { refusingAddress, startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { hostUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    location / { set $sluice_upstream web; include "$HOME/sluice/proxy.conf"; }
    location /unknown/ { set $sluice_upstream unknown; include "$HOME/sluice/proxy.conf"; }
  }`

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const old = await startBackend(t, 'old')
    const fresh = await startBackend(t, 'fresh')
    const refusing = await refusingAddress()
    const fallback = (home: string): string => `
      upstream sluice_f_web { server ${refusing}; server ${old.address}; keepalive 8; }
      map $sluice_wanted $sluice_fallback { default ''; web sluice_f_web; }
      server {
        listen "unix:${home}/hop/fallback.sock" default_server;
        server_name _;
        include "${home}/sluice/hop-headers.conf";
        return 404;
      }
      server {
        listen "unix:${home}/hop/fallback.sock";
        server_name web.test;
        include "${home}/sluice/hop-headers.conf";
        location / { proxy_pass http://sluice_f_web; }
      }`
    const gateway = await startGateway(t, { kind, conf, fallback })
    await gateway.fillPool(fresh.address)
    const peers = [{ id: 'f', address: fresh.address, pooled: gateway.pool }]
    const web = upstreamUnit('web', peers)
    const byHost = (host = 'web.test') => gateway.ask({ host })
    const byName = (path = '/') => ask({ port: gateway.userPort, path })

    t.test('an empty table is served from the fallback', async (t) => {
      for (let i = 0; i < 4; i++) {
        t.match(await byHost(), { status: 200, json: { id: 'old' } })
        t.match(await byName(), { status: 200, json: { id: 'old' } })
      }
      t.match(await byHost(), {
        json: { headers: { host: 'web.test', 'x-forwarded-for': '127.0.0.1' } },
      })
      t.equal((await byHost('other.test')).status, 404)
      t.match(await byName('/unknown/'), { status: 503, body: /unknown/ })
      const body = 'x'.repeat(100_000)
      t.match(await gateway.ask({ host: 'web.test', method: 'POST', body }), {
        json: { bytes: 100_000 },
      })
      const counted = (await gateway.counters()).fallback ?? 0
      t.ok(counted >= 10, `${counted}`)
      const line = await until(() => gateway.accessLog().find((each) => each.host === 'web.test'))
      t.match(line, { status: 200, instance: '-' })
    })

    t.test('a table that is not whole serves what it has', async (t) => {
      const { epoch } = await gateway.state()
      const claim = { epoch: epoch + 1, expect: epoch }
      t.equal((await gateway.admin('POST', '/claim', claim)).status, 200)
      const part = { epoch: epoch + 1, from: 0, to: 0, whole: false, operations: [...web] }
      t.equal((await gateway.admin('POST', '/delta', part)).status, 200)
      t.match(await byName(), { json: { id: 'fresh' } })
      t.match(await byHost(), { json: { id: 'old' } }, 'its host is still to come')
    })

    t.test('a whole table is served from alone', async (t) => {
      await gateway.setTable(web, hostUnit('web.test', [['/', ':web']], web))
      t.match(await byName(), { json: { id: 'fresh' } })
      t.match(await byHost(), { json: { id: 'fresh' } })
      await gateway.setTable(upstreamUnit('other', peers))
      t.equal((await byHost()).status, 404)
      t.equal((await byName()).status, 503)
    })

    t.test('nginx that starts again has an empty table', async (t) => {
      await gateway.restart()
      t.match(await gateway.state(), { epoch: 0, whole: false })
      t.match(await byHost(), { json: { id: 'old' } })
      await gateway.setTable(web, hostUnit('web.test', [['/', ':web']], web))
      t.match(await byHost(), { json: { id: 'fresh' } })
      t.equal((await gateway.counters()).failed, 0)
    })
  })
}

t.test('without a fallback it says so', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs', conf })
  const answer = await gateway.ask({ host: 'web.test' })
  t.match(answer, { status: 503, headers: { 'retry-after': /\d/ } })
  t.match(await ask({ port: gateway.userPort }), { status: 503, body: /web/ })
})

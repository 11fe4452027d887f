// What users write beside the include, where one request passes several locations or skips part of
// one.
import { createServer } from 'node:http'
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { freePort } from '../../../lab/ports.js'
import { until } from '../../../lab/until.js'
import { sendRaw } from '../../support/raw-http.js'

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
    location /hinted/ {
      set $sluice_upstream hinting;
      $HINTS
      include "$HOME/sluice/proxy.conf";
    }
    location /hinted-by-hop/ {
      set $sluice_upstream hintingbyhop;
      $HINTS
      include "$HOME/sluice/proxy.conf";
    }
    location /hinted-by-judge/ {
      set $sluice_upstream hintingbyjudge;
      $HINTS
      include "$HOME/sluice/proxy.conf";
    }
    location /stripped/ {
      set $sluice_upstream web;
      rewrite ^/stripped(/.*)$ $1 break;
      include "$HOME/sluice/proxy.conf";
    }
  }`

/** An instance that gives early hints; its address. */
async function startHinting(t: { teardown(fn: () => unknown): void }): Promise<string> {
  const server = createServer((_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () =>
      response.end('{}'),
    )
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `127.0.0.1:${port}`
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    // Stable nginx knows no early hints.
    const hints = kind === 'stable' ? '' : 'early_hints 1;'
    const gateway = await startGateway(t, {
      kind,
      conf: (port) => conf(port).replaceAll('$HINTS', hints),
    })
    const [hinting, hintingByHop] = await Promise.all([startHinting(t), startHinting(t)])
    const web = await startBackend(t, 'web')
    const other = await startBackend(t, 'other')
    const { pool } = gateway
    const judged = [
      { id: 'h', address: hintingByHop },
      { id: 'w', address: web.address },
    ]
    await gateway.fillPool(web.address, other.address, hinting)
    await gateway.setTable(
      upstreamUnit('web', [{ id: 'w', address: web.address, pooled: pool }]),
      upstreamUnit('other', [{ id: 'o', address: other.address, pooled: pool }]),
      upstreamUnit('hinting', [{ id: 'h', address: hinting, pooled: pool }]),
      upstreamUnit('hintingbyhop', [{ id: 'h', address: hintingByHop }]),
      ruledUnit('hintingbyjudge', judged, { balance: 'r', statuses: 8 }, { main: ['h'] }),
    )
    const get = (path: string) => ask({ port: gateway.userPort, path })

    if (hints !== '') {
      t.test('early hints pass where the location says so', async (t) => {
        for (const path of ['/hinted/', '/hinted-by-hop/', '/hinted-by-judge/']) {
          const request = `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
          const sent = sendRaw(t, gateway.userPort, request)
          await until(() => sent.text().includes('{}'))
          t.match(sent.text(), /^HTTP\S+ 103 [^]*link: <\/style.css>[^]*HTTP\S+ 200 /i, path)
        }
      })
    }

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

/** Sluice in an nginx.conf of one's own: what a request does there. */
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { refusingAddress, startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'

t.setTimeout(120_000)

/**
 * What a user may well have in `http{}` for servers of his own; the servers behind the front must
 * not mind.
 */
const conf = (port: number): string => `
  gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
  add_header X-User yes always;
  error_page 404 418 502 503 504 /oops.html;
  limit_conn_zone $server_protocol zone=mine:1m;
  limit_conn mine 3;
  limit_req_zone $server_protocol zone=slowly:1m rate=1r/m;
  proxy_connect_timeout 7s;
  proxy_next_upstream off;
  proxy_intercept_errors on;
  proxy_set_header X-Nope 1;
  proxy_hide_header X-Own;
  proxy_pass_request_headers on;
  proxy_read_timeout 1s;
  client_max_body_size 10k;
  expires 1h;
  auth_basic closed; auth_basic_user_file /nonexistent;
  deny all;
  server {
    listen 127.0.0.1:${port};
    allow all;
    auth_basic off;
    gzip off;
    expires off;
    location / {
      set $sluice_upstream web;
      client_max_body_size 0;
      proxy_read_timeout 20s;
      proxy_intercept_errors off;
      proxy_next_upstream error timeout;
      include "$HOME/sluice/proxy.conf";
    }
    location /own-pages/ {
      set $sluice_upstream web;
      proxy_intercept_errors on;
      error_page 502 503 /oops.html;
      include "$HOME/sluice/proxy.conf";
    }
    location = /oops.html { return 200 "own page"; }
  }`

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf, connectTimeoutMs: 500 })
    const backend = await startBackend(t, 'a')
    const refusing = await refusingAddress()
    // Not in the pool, so that each request passes the hop.
    const serve = (...addresses: string[]): Promise<void> =>
      gateway.setTable(
        upstreamUnit(
          'web',
          addresses.map((address, i) => ({ id: `p${i}`, address, weight: i ? 1 : 999 })),
        ),
      )
    await serve(refusing, backend.address)
    const get = (path = '/', more = {}) => ask({ port: gateway.userPort, path, ...more })

    t.test('requests pass two at a time, large, and late', async (t) => {
      const both = [get('/?hold'), get('/?hold')]
      await until(() => backend.held() === 2)
      // Longer than the time limit that the user has for others.
      const startedAtMs = Date.now()
      await until(() => Date.now() - startedAtMs > 1300)
      backend.release()
      for (const answer of await Promise.all(both)) {
        t.match(answer, { status: 200, json: { id: 'a' }, headers: { 'x-user': 'yes' } })
        t.notMatch((answer.json as { headers: object }).headers, { 'x-nope': /./ })
        t.equal(answer.headers.expires, undefined)
      }
      const body = Buffer.alloc(200_000, 'x')
      t.match(await get('/', { method: 'POST', body }), {
        status: 200,
        json: { bytes: body.length },
      })
      t.match((await gateway.admin('GET', '/alive')).body, 'ok')
    })

    t.test('an error of a peer comes as it is, and is the user’s to replace', async (t) => {
      t.match(await get('/?status=503'), { status: 503, json: { id: 'a' } })
      t.match(await get('/own-pages/?status=503'), { body: 'own page' })
      await serve(refusing)
      t.match(await get('/'), { status: 502, body: /web/ })
      t.match(await get('/own-pages/'), { body: 'own page' })
    })
  })
}

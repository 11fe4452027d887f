/** `sluice import --from nginx`: what it takes serves the requests that nginx served. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { readFileContent } from '../../../agent/sources/files/file-content.js'
import { importNginx } from '../../../cli/import/nginx/import-nginx.js'
import { printTaken } from '../../../cli/import/nginx/print-taken.js'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { buildIfStale } from '../../../lab/build.js'
import { freePort } from '../../../lab/ports.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { tools } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'
import { startControlled } from '../../support/controlled.js'

t.before(buildIfStale)

type Records = Record<'upstreams' | 'routes', Record<string, Record<string, unknown>>>

const HEAD = 'pid nginx.pid; error_log error.log; events {}\n'

interface Seen {
  id: string
  url: string
  headers: Record<string, string>
}

/** What an instance saw of a request, or the status of nginx's own answer. */
async function seen(port: number, host: string, path: string): Promise<unknown> {
  const { status, json } = await ask({ port, host, path })
  const { id, url, headers = {} } = (json ?? {}) as Partial<Seen>
  return id === undefined
    ? status
    : { id: id.replace(/\d/, ''), url, host: headers['host'], team: headers['x-team'] }
}

t.test('real nginx and Sluice serve the same', async (t) => {
  const [web1, web2, api, shop] = await Promise.all(
    ['web1', 'web2', 'api', 'shop'].map((id) => startBackend(t, id)),
  )
  if (!web1 || !web2 || !api || !shop) {
    throw new Error('no backends')
  }
  const folder = temporaryFolder(t, 'import')
  mkdirSync(join(folder, 'sites'))
  const port = await freePort()
  const tmp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${HEAD}http {
    ${tmp.map((name) => `${name}_temp_path tmp;`).join(' ')}
    access_log off;
    upstream my_web { zone z 64k; server ${web1.address} weight=3 max_fails=2 fail_timeout=5s; server ${web2.address} max_fails=2 fail_timeout=5s; keepalive 8; }
    upstream api.v1 { least_conn; server ${api.address} max_conns=20; server 127.0.0.1:1 down; }
    include sites/*.conf;
}\n`,
  )
  writeFileSync(
    join(folder, 'sites/a.conf'),
    `server {
    listen 127.0.0.1:${port} default_server;
    server_name www.test *.www.test;
    proxy_set_header Host $host;
    location / { proxy_pass http://my_web; }
    location /api/ { proxy_pass http://api.v1/; proxy_set_header X-Team "core"; }
    location /old/ { proxy_pass http://api.v1/v0/; }
    location ^~ /shop { proxy_pass http://${shop.address}; proxy_read_timeout 10s; }
    location = /exact { return 204; }
    location /admin/ { auth_basic on; proxy_pass http://my_web; }
}\n`,
  )
  writeFileSync(
    join(folder, 'sites/b.conf'),
    `server {
    listen 127.0.0.1:${port};
    server_name .shop.test ~^x\\d+$;
    location /cart { proxy_pass http://${shop.address}/basket; }
}\n`,
  )
  const conf = join(folder, 'nginx.conf')
  const nginx = (await tools()).nginx.path
  const args = [
    '-p',
    folder,
    '-c',
    conf,
    '-e',
    'error.log',
    '-g',
    'daemon off; master_process off;',
  ]
  const child = spawn(nginx, args, { stdio: 'inherit' })
  t.teardown(() => child.kill('SIGKILL'))
  const answers = async () => (await ask({ port }).catch(() => undefined)) !== undefined
  await until(answers, { what: 'nginx to answer' })

  const taken = importNginx(conf)
  const text = printTaken(taken, conf)
  t.match(readFileContent(text, { allowLoopback: true }), { ok: true })
  const records = parse(text) as Records
  const { gateway, call } = await startControlled(t, { kind: 'njs' })
  const operations = [
    ...Object.entries(records.upstreams).flatMap(([name, { instances, ...body }]) => [
      { method: 'PUT', path: `/v1/upstreams/${name}`, body },
      // REST has no state: what is down is not registered, or drained.
      ...(instances as Array<{ id: string; state?: string }>)
        .filter(({ state }) => state === undefined)
        .map(({ id, ...instance }) => ({
          method: 'PUT',
          path: `/v1/upstreams/${name}/instances/${id}`,
          body: instance,
        })),
    ]),
    ...Object.entries(records.routes).map(([id, body]) => ({
      method: 'PUT',
      path: `/v1/routes/${id}`,
      body,
    })),
  ]
  const put = await call('POST', '/v1/batch', { operations })
  t.equal(put.status, 200, JSON.stringify(put.body))

  const paths = ['/', '/x?a=%20b', '/api/v?q=1', '/api/', '/old/a/b', '/shop/1', '/shop']
  for (const host of ['www.test', 'a.b.www.test', 'nobody.test']) {
    for (const path of paths) {
      t.same(
        await seen(gateway.httpPort, host, path),
        await seen(port, host, path),
        `${host}${path}`,
      )
    }
  }
  for (const host of ['shop.test', 'a.shop.test']) {
    for (const path of ['/cart', '/cart/1?x', '/', '/other']) {
      t.same(
        await seen(gateway.httpPort, host, path),
        await seen(port, host, path),
        `${host}${path}`,
      )
    }
  }
  t.same(records.upstreams['my-web']?.['policy'], {
    balance: 'roundRobin',
    eject: { maxFails: 2, failTimeoutMs: 5000 },
  })
  t.match(records.upstreams['api-v1'], {
    policy: { balance: 'leastConn' },
    instances: [{ maxConns: 20 }, { host: '127.0.0.1', port: 1, state: 'down' }],
  })
  const left = taken.left.map(({ at, what }) => `${at.slice(folder.length + 1)} ${what}`)
  t.ok(left.includes('sites/a.conf:9 location = /exact'), 'what answers by itself is named')
  t.ok(left.includes('sites/a.conf:10 location /admin/'), 'what looks at who asks is not opened')
  t.ok(left.some((line) => line.startsWith('sites/b.conf:3 server_name')))
  t.notOk(JSON.stringify(records.routes).includes('/admin'))
})

const WRONG: Array<[conf: string, message: RegExp]> = [
  ['http {\n  server {\n  }\n', /nginx\.conf:1: .*no "}"/],
  ['http {\n  server { listen 80 }\n}\n', /nginx\.conf:2: unexpected "}"/],
  ['http {}\n}\n', /nginx\.conf:2: unexpected "}"/],
  ['http {}\nuser www', /nginx\.conf:2: .*no ";"/],
  [
    'http {\n include gone.conf;\n}\n',
    /nginx\.conf:2: .*gone\.conf cannot be read: does not exist/,
  ],
  ['include nginx.conf;\n', /nginx\.conf:1: .*by itself/],
  ['server {}\n', /no http block/],
]

t.test('what nginx would not read is refused with file and line', (t) => {
  const folder = temporaryFolder(t, 'import-wrong')
  const file = join(folder, 'nginx.conf')
  for (const [conf, message] of WRONG) {
    writeFileSync(file, conf)
    t.throws(() => importNginx(file), { code: 'invalid', message }, conf)
  }
  t.throws(() => importNginx(join(folder, 'none')), { message: /none cannot be read/ })
  t.end()
})

t.test('two that fold to one name, or claim one place, are named', (t) => {
  const file = join(temporaryFolder(t, 'import-clash'), 'nginx.conf')
  const conf = `http {
    upstream a_b { server 10.0.0.1; }
    upstream A.B { server 10.0.0.2; server app.example.com:81; }
    server { server_name x.test; location / { proxy_pass http://a_b; } }
    server { server_name x.test; listen 81; location / { proxy_pass http://10.0.0.3; } }
    server { server_name y.test; location / { proxy_pass http://A.B; } }
    server { server_name z.test; location / { proxy_pass http://$host; } }
  }`
  writeFileSync(file, conf)
  const { upstreams, routes, left } = importNginx(file)
  t.same([...upstreams.keys()], ['a-b', '10-0-0-3'])
  t.same([...routes.keys()], ['x-test'])
  const text = left.map(({ at, why }) => `${at.slice(at.lastIndexOf(':') + 1)} ${why}`).join('\n')
  t.match(text, /^3 "a-b" is the name of another one/m)
  t.match(text, /^5 x\.test\/ is what .*:4 says/m)
  t.match(text, /^6 not taken: the upstream A\.B is not taken/m)
  t.match(text, /^7 not taken: its target is known only with a request/m)
  t.end()
})

/** nginx's configuration as text. */
import t from 'tap'
import { canPool } from '../../../contract/version.js'
import { homePaths, renderConf, numberedSockets, type ConfSettings } from '../../../nginx/render.js'

const SETTINGS: ConfSettings = {
  home: '/srv/sluice',
  nginxVersion: '1.30.6',
  modules: ['/usr/lib/nginx/modules/ngx_http_js_module.so'],
  pool: true,
  poolPort: 8053,
  engine: undefined,
  tableBytes: 33554432,
  workers: 4,
  maxBodyBytes: 104857600,
  connections: 8192,
  grpcIdleMs: 3_600_000,
  tcpIdleMs: 600_000,
  bind: '127.0.0.1',
  httpPort: 8080,
  hasStream: true,
  hasRealip: true,
  hasGrpc: true,
  streamPorts: '9100-9109',
  tunedPorts: '',
  proxyProtocolPorts: '',
  trustedProxies: [],
  passthrough: true,
  http3: false,
  httpsPort: 8443,
  user: undefined,
  accessLog: undefined,
  connectTimeoutMs: 5000,
  trustedCa: '',
}

/** In a location each may stand once, so a user could not set them beside the include. */
const ONCE =
  /^\s*(proxy_(?!pass |set_header |hide_header |ignore_headers )\w+|client_\w+|limit_rate|expires|gzip)\b/m

t.test('what stands in a location leaves a user his own directives', async (t) => {
  const files = renderConf(SETTINGS)
  for (const name of ['sluice/proxy.conf', 'sluice/headers.conf', 'sluice/pass.conf']) {
    t.notMatch(files[name], ONCE, name)
  }
  const old = renderConf({ ...SETTINGS, nginxVersion: '1.26.3', pool: false })
  t.match(old['sluice/pass.conf'], /proxy_http_version 1\.1;/, 'older nginx speaks 1.0 otherwise')
})

t.test('only what the nginx knows', async (t) => {
  const old = renderConf({ ...SETTINGS, nginxVersion: '1.26.3', pool: false })
  t.notMatch(old['sluice/http.conf'], /sticky|resolve|js_engine/)
  t.match(renderConf(SETTINGS)['sluice/http.conf'], /sticky route \$sluice_sid;/)
  t.match(renderConf({ ...SETTINGS, engine: 'qjs' })['sluice/http.conf'], /js_engine qjs;/)
  t.same(['1.26.3', '1.29.5', '1.29.6', '1.30.0', '2.0.0'].map(canPool), [
    false,
    false,
    true,
    true,
    true,
  ])
})

t.test('the draw is whole and even', async (t) => {
  const text = renderConf(SETTINGS)['sluice/http.conf'] ?? ''
  const parts = (variable: string): string =>
    new RegExp(`\\$${variable} \\{([^}]*)\\}`).exec(text)?.[1] ?? ''
  t.equal(parts('sluice_slot').match(/2% \d+;/g)?.length, 49)
  t.match(parts('sluice_slot'), /\* 49;/)
  t.equal(parts('sluice_share').match(/0\.1% \d+;/g)?.length, 999)
  t.match(parts('sluice_share'), /\* 999;/)
})

t.test('an IPv6 address to listen on', async (t) => {
  t.match(renderConf({ ...SETTINGS, bind: '::1' })['nginx.conf'], /listen \[::1\]:8080 /)
})

t.test(
  'servers of http{} believe trusted proxies, by the PROXY protocol at its ports',
  async (t) => {
    const trustedProxies = ['10.0.0.0/8']
    const proxied = renderConf({ ...SETTINGS, proxyProtocolPorts: '8443 9102', trustedProxies })
    const count = (text: string | undefined, what: RegExp) =>
      [...(text ?? '').matchAll(what)].length
    const main = proxied['nginx.conf']
    t.match(main, /listen 127\.0\.0\.1:8080 default_server;/)
    t.match(main, /listen 127\.0\.0\.1:8443 proxy_protocol;\n +set_real_ip_from 10\.0\.0\.0\/8;/)
    t.equal(count(main, /real_ip_header X-Forwarded-For;/g), 2, 'stream{} reads the header')
    t.match(proxied['sluice/http.conf'], /geo \$sluice_sender \$sluice_trusted/)
    const stream = proxied['sluice/stream.conf']
    t.match(stream, /listen 127\.0\.0\.1:9100-9101;\n +listen 127\.0\.0\.1:9103-9109;/)
    t.match(stream, /listen 127\.0\.0\.1:9102 proxy_protocol;/)
    const http = renderConf({
      ...{ ...SETTINGS, passthrough: false, proxyProtocolPorts: '8080 8443', trustedProxies },
    })
    t.equal(count(http['nginx.conf'], /real_ip_header proxy_protocol;/g), 2)
    const none = renderConf(SETTINGS)
    t.notMatch(none['nginx.conf'], /proxy_protocol|real_ip/)
    t.notMatch(none['sluice/http.conf'], /sluice_client|sluice_trusted/)
    t.match(none['sluice/headers.conf'], /X-Forwarded-For \$remote_addr;/)
  },
)

t.test(
  'only ports that are tuned hand off, and only where anything does there are servers for it',
  async (t) => {
    const stream = (more: Partial<ConfSettings>) =>
      renderConf({ ...SETTINGS, ...more })['sluice/stream.conf'] ?? ''
    const none = stream({ passthrough: false })
    t.same(none.match(/hop\/(tune|sni|untuned)\w*|^ +pass /gm), null)
    const some = stream({ passthrough: false, tunedPorts: '9100 9109' })
    t.match(some, /listen 127\.0\.0\.1:9101-9108;/)
    t.match(some, /listen 127\.0\.0\.1:9100;\n +listen 127\.0\.0\.1:9109;/)
    const servers = new Set(some.match(/hop\/tune\d+p?\.sock/g))
    t.equal(servers.size, 17)
    t.match(some, /js_var \$sluice_tuned_ports "9100 9109";/)
    t.match(stream({ streamPorts: '' }), /tune86400p\.sock/, 'the HTTPS port hands off by name')
    // A file that is in the way of one keeps nginx from starting.
    const seats = stream({ seats: true }).match(/hop\/rescue\d+\.sock/g) ?? []
    t.same(
      new Set(numberedSockets('/srv/sluice')),
      new Set([...servers, ...seats].map((path) => `/srv/sluice/${path}`)),
    )
    t.notMatch(stream({ seats: false }), /rescue|\.seat|giveBack/, 'where nginx has no seats')
  },
)

t.test(
  'keys of zones are those that a running nginx has: with others it refuses to reload',
  async (t) => {
    const zonesOf = (more: Partial<ConfSettings>) =>
      Object.values(renderConf({ ...SETTINGS, ...more })).flatMap(
        (text) => text.match(/^limit_conn_zone .*(?=:)/gm) ?? [],
      )
    const others = [
      'limit_conn_zone $sluice_calling zone=sluice_calls',
      'limit_conn_zone $pid zone=sluice_tcp',
      'limit_conn_zone $pid zone=sluice_udp',
    ]
    const more = { hasGrpc: true, hasStream: true }
    t.same(zonesOf({ ...more, pool: true }), [
      'limit_conn_zone $sluice_drawn$sluice_worker zone=sluice_connection',
      ...others,
    ])
    t.same(zonesOf({ ...more, pool: false }), [
      'limit_conn_zone $sluice_sid$sluice_worker zone=sluice_connection',
      ...others,
    ])
  },
)

t.test('a home that a configuration would misread is refused', async (t) => {
  for (const home of [
    'relative',
    '/a"b',
    '/a;b',
    '/a$b',
    '/a{b',
    '/a*b',
    '/a\nb',
    '/a#b',
    '/a\\b',
  ]) {
    t.throws(() => homePaths(home), /cannot stand/, home)
  }
  t.throws(() => homePaths(`/${'x'.repeat(100)}`), /too long/)
  t.doesNotThrow(() => homePaths('/home/some one/.sluice-2'))
})

/** Traefik's labels, as its documentation has them, row by row. */
import { checkTable } from './dialect-table.js'

const router = (rule: string, more: Record<string, string> = {}) => ({
  'traefik.http.routers.r.rule': rule,
  ...more,
})
const S = 'traefik.http.services.web.loadbalancer'
const M = 'traefik.http.middlewares'
const WITH = 'traefik.http.routers.r.middlewares'
const port = { [`${S}.server.port`]: '80' }
const a = router('Host(`a.example`)', port)
const api = 'Host(`a.example`) && PathPrefix(`/api/`)'
const want = ['web 80 a.example/']
const tcp = (rule: string, more: Record<string, string> = {}) => ({
  'traefik.tcp.routers.p.rule': rule,
  'traefik.tcp.routers.p.entrypoints': 'pg',
  'traefik.tcp.services.pg.loadbalancer.server.port': '5432',
  ...more,
})
const pg = { traefikEntrypoints: { pg: 9100 } }

checkTable('traefik', [
  { name: 'nothing', asked: false },
  { name: 'a router and a service', labels: a, want },
  {
    name: 'enable alone: the name of the container is its host',
    labels: { 'traefik.enable': 'true' },
    want: ['web-1 80 web-1/'],
  },
  { name: 'enable=false', labels: { ...a, 'traefik.enable': 'false' }, asked: false },
  { name: 'not enabled', labels: a, settings: { traefikExposed: false }, asked: false },
  {
    name: 'without a service the Compose project and service name it',
    labels: {
      ...router('Host(`a.example`)'),
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': 'front',
    },
    want: ['front-shop 80 a.example/'],
  },
  {
    name: 'without a rule they name the host, as there',
    labels: {
      'traefik.enable': 'true',
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': 'front',
    },
    want: ['front-shop 80 front-shop/'],
  },
  {
    name: 'names in capital letters',
    labels: { 'traefik.HTTP.Routers.R.Rule': 'Host(`A.Example`)' },
    want: ['web-1 80 a.example/'],
  },
  {
    name: 'or, and, parentheses',
    labels: router('(Host(`a.example`) || Host(`b.example`)) && PathPrefix(`/api/`)', port),
    want: ['web 80 a.example/api b.example/api'],
  },
  {
    name: 'several values, as version 2 has them',
    labels: router('Host(`a.example`, `b.example`)', port),
    want: ['web 80 a.example/ b.example/'],
  },
  {
    name: 'a prefix matches more there',
    labels: router('Host(`a.example`) && PathPrefix(`/api`)', port),
    want: ['web 80 a.example/api'],
    warnings: [/there also \/api-x, here whole segments/],
  },
  {
    name: 'a whole path matches less there',
    labels: router('Host(`a.example`) && Path(`/api`)', port),
    want: ['web 80 a.example/api'],
    warnings: [/leads what is below it/],
  },
  {
    name: 'method, header and query',
    labels: router(
      'Host(`a.example`) && Method(`GET`) && Header(`X-A`, `1`) && Query(`q`, `2`)',
      port,
    ),
    want: ['web 80 a.example/ request_method=GET http_x_a=1 arg_q=2'],
  },
  {
    name: 'the rest of the language is refused by name',
    labels: router('HostRegexp(`^.+$`)', port),
    refused: [/routers\.r: its rule: hostregexp is no matcher/],
  },
  { name: 'not', labels: router('!Host(`a.example`)'), refused: [/! is not understood/] },
  { name: 'no host', labels: router('PathPrefix(`/`)'), refused: [/names no Host/] },
  { name: 'hostile', labels: router('Host(`a b;{}`)', port), want: ['web 80'], refused: [/hosts/] },
  {
    name: 'priority and certificates are named',
    labels: {
      ...a,
      'traefik.http.routers.r.priority': '9',
      'traefik.http.routers.r.tls.certresolver': 'x',
    },
    want,
    warnings: [/priority of router r .*router r: tls\.certresolver/],
  },
  {
    name: 'an entrypoint that nobody mapped',
    labels: { ...a, 'traefik.http.routers.r.entrypoints': 'web,admin' },
    want,
    warnings: [/entrypoint admin/],
  },
  {
    name: 'stripprefix',
    labels: { ...router(api, port), [WITH]: 's@docker', [`${M}.s.stripprefix.prefixes`]: '/api' },
    want: ['web 80 a.example/api'],
    route: { rewrite: { stripPrefix: true } },
  },
  {
    name: 'addprefix',
    labels: { ...a, [WITH]: 'p', [`${M}.p.addprefix.prefix`]: '/v2' },
    want,
    route: { rewrite: { replacePrefix: '/v2' } },
  },
  {
    name: 'redirectscheme',
    labels: {
      ...a,
      ...{ [WITH]: 'h', [`${M}.h.redirectscheme.scheme`]: 'https' },
      [`${M}.h.redirectscheme.permanent`]: 'true',
    },
    want,
    route: { redirect: { scheme: 'https', status: 301 } },
  },
  {
    name: 'headers',
    labels: {
      ...a,
      ...{ [WITH]: 'h', [`${M}.h.headers.customrequestheaders.X-A`]: '1' },
      [`${M}.h.headers.customresponseheaders.X-B`]: '',
    },
    want,
    route: { requestHeaders: { set: { 'X-A': '1' } }, responseHeaders: { remove: ['X-B'] } },
  },
  {
    name: 'retry',
    labels: { ...a, [WITH]: 't', [`${M}.t.retry.attempts`]: '4' },
    want,
    upstream: { policy: { retry: { tries: 4 } } },
  },
  {
    name: 'inflightreq',
    labels: { ...a, [WITH]: 'i', [`${M}.i.inflightreq.amount`]: '10' },
    want: ['web 80 max10 a.example/'],
    warnings: [/here for each instance/],
  },
  {
    name: 'who limits who may come is not left out',
    labels: { ...a, [WITH]: 'b', [`${M}.b.basicauth.users`]: 'x' },
    refused: [/middleware b: basicauth is not done/],
  },
  {
    name: 'replacepathregex',
    labels: { ...a, [WITH]: 'b', [`${M}.b.replacepathregex.regex`]: 'x' },
    refused: [/replacepathregex is not done/],
  },
  {
    name: 'a middleware from elsewhere',
    labels: { ...a, [WITH]: 'auth@file' },
    refused: [/auth@file is not defined/],
  },
  {
    name: 'sticky, check and scheme',
    labels: {
      ...a,
      ...{ [`${S}.sticky.cookie.name`]: 'lb', [`${S}.healthcheck.path`]: '/up' },
      ...{ [`${S}.healthcheck.interval`]: '10s', [`${S}.server.scheme`]: 'https' },
    },
    want,
    upstream: {
      policy: { sticky: { name: 'lb' }, check: { path: '/up', intervalMs: 10_000 } },
      tls: { verify: false },
    },
  },
  { name: 'weight', labels: { ...a, [`${S}.server.weight`]: '5' }, want: ['web 80 w5 a.example/'] },
  {
    name: 'an option of a service that Sluice has not',
    labels: { ...a, [`${S}.serverstransport`]: 'x' },
    want,
    warnings: [/serverstransport/],
  },
  { name: 'a port of TCP', labels: tcp('HostSNI(`*`)'), settings: pg, want: ['pg 5432 tcp 9100'] },
  {
    name: 'a port of TCP that is not open',
    labels: tcp('HostSNI(`*`)'),
    refused: [/entrypoint pg is no open port/],
  },
  {
    name: 'TLS that is passed through',
    labels: tcp('HostSNI(`db.example`)', { 'traefik.tcp.routers.p.tls.passthrough': 'true' }),
    want: ['pg 5432 tls db.example'],
  },
  {
    name: 'TLS that is ended there',
    labels: tcp('HostSNI(`db.example`)'),
    refused: [/need tls\.passthrough=true/],
  },
])

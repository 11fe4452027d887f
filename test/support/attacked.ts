// A gateway for attacks, with a user's server in it, and routes of every kind that meets them.
import { startBackend } from '../../lab/backends/backend.js'
import type { Backend } from '../../lab/backends/backend.js'
import { startGateway } from '../../lab/nginx/gateway.js'
import type { Gateway, GatewayKind } from '../../lab/nginx/gateway.js'
import { actionUnit, hostUnit, ruledUnit, upstreamUnit } from '../../lab/nginx/unit-builder.js'

/** A user's server that takes headers with underscores, as some applications want it. */
const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    underscores_in_headers on;
    http2 on;
    location / {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
    }
    location /missing/ {
      set $sluice_upstream missing;
      include "$HOME/sluice/proxy.conf";
    }
    location /sticky/ {
      set $sluice_upstream sticky;
      include "$HOME/sluice/proxy.conf";
    }
  }
  server {
    listen 127.0.0.1:${port};
    server_name routed.test;
    http2 on;
    include "$HOME/sluice/server.conf";
  }`

export interface Attacked {
  gateway: Gateway
  /** Serves nearly everything. */
  web: Backend
  /** Serves nothing that a client may reach. */
  api: Backend
}

interface TestLike {
  name: string
  passing(): boolean
  teardown(fn: () => unknown): void
  comment(...lines: unknown[]): void
}

const COOKIE = '0123456789abcdef'
const UNAVAILABLE_BIT = 1 << 3

/** What some routes do, by their path. */
const ACTIONS = {
  headers: { target: ':web', action: { requestHeaders: { set: { 'X-Set': 'by the route' } } } },
  moved: { target: ':web', action: { redirect: { scheme: 'https', status: 301 } } },
  closed: {
    target: '-',
    action: { maintenance: { status: 503, contentType: 'text/plain', body: 'closed' } },
  },
  h2c: { target: ':web', action: { upgrade: ['h2c'] as string[] } },
  limited: { target: ':web', action: { timeouts: { readMs: 10_000 } } },
} as const

/**
 * Hosts `web.test` (by the pool), `byhop.test`, `acts.test` and any other host with
 * a path for each kind of route; and `secret`, a name that TLS is passed through for.
 */
export async function startAttacked(
  t: TestLike,
  kind: GatewayKind,
  trustedProxies: string[] = [],
): Promise<Attacked> {
  const proxied = () => ({ proxyProtocolPorts: '', trustedProxies })
  const gateway = await startGateway(t, { kind, conf, proxied })
  const [web, api] = [await startBackend(t, 'web'), await startBackend(t, 'api')]
  const { pool } = gateway
  const own = (id: string) => [{ id, address: web.address, pooled: pool }]
  const webUnit = upstreamUnit('web', own('w1'))
  const byHop = upstreamUnit('byhop', [{ id: 'w1', address: web.address }])
  const apiUnit = upstreamUnit('api', [{ id: 'a1', address: api.address }])
  const lists = { main: ['w1'], cookie: '; Path=/' }
  const session = own('w1').map((peer) => ({ ...peer, session: COOKIE }))
  const paths: Array<[string, string]> = [
    ...Object.keys(ACTIONS).map((name): [string, string] => [`/${name}`, `&${name}`]),
    ['/sticky', ':sticky'],
    ['/retried', ':retried'],
    ['/', ':web'],
  ]
  await gateway.fillPool(web.address)
  await gateway.setTable(
    ...[webUnit, byHop, apiUnit],
    ruledUnit('sticky', session, { sticky: 'cookie:sl' }, lists),
    ruledUnit('retried', own('w1'), { tries: 2, statuses: UNAVAILABLE_BIT }, lists),
    ...Object.entries(ACTIONS).map(([name, record]) =>
      actionUnit(name, { prefix: `/${name}`, ...record }),
    ),
    hostUnit('web.test', [['/', ':web']], webUnit),
    hostUnit('byhop.test', [['/', ':byhop']], byHop),
    hostUnit('acts.test', paths),
    hostUnit('*', paths),
    hostUnit('tls*secret', []),
  )
  return { gateway, web, api }
}

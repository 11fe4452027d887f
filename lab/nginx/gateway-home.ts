/** A home with the rendered configuration, for a gateway of the tests or the bench. */
import { CONNECTIONS_FOR_SEATS } from '../../contract/seat.js'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { makeHomeFolders } from '../../cli/start/home.js'
import { makeOwnCertificate } from '../../cli/start/own-certificate.js'
import { renderConf, type ConfSettings } from '../../nginx/render.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { putModules } from '../build.js'
import { tools } from '../tools.js'

/**
 * `njs` and `qjs`: the newest nginx with a pool; `byAddress`: without one; `stable`: Debian
 * stable's.
 */
export type GatewayKind = 'njs' | 'qjs' | 'byAddress' | 'stable'
export const GATEWAY_KINDS: GatewayKind[] = ['njs', 'qjs', 'byAddress', 'stable']

export interface GatewayOptions {
  kind: GatewayKind
  workers?: number
  tableBytes?: number
  connectTimeoutMs?: number
  /** Servers and the like of a user, inside `http{}`; a function gets a free port. */
  conf?: (port: number) => string
  /** Runs before nginx starts. */
  prepare?: (home: string) => Promise<unknown>
  /** Content of the fallback file at the start. */
  fallback?: (home: string) => string
  /** Another program to start than this nginx, such as one that runs it inside something. */
  program?: (nginx: NginxInfo) => NginxInfo
  /** False: none is written. */
  accessLog?: boolean
  /** Whether the pool is in shards; then a PoolDns has to answer with them. */
  wide?: boolean
  /** Whether nginx takes lanes, where a controller has compiled some. */
  compiled?: boolean
  /** Ports for routes; undefined: nginx has no stream{}. */
  streamPorts?: string
  /** Those of them whose routes may be tuned. */
  tunedPorts?: string
  /** Whether routes by name share the HTTPS port; then nginx has stream{}. */
  passthrough?: boolean
  /** Ports at which the PROXY protocol is spoken, and whom nginx believes. */
  proxied?: (ports: { httpPort: number; httpsPort: number }) => {
    proxyProtocolPorts: string
    trustedProxies: string[]
  }
  /** Whether paths with `..` are passed on as they came. */
  rawPaths?: boolean
  /** Of TLS 1.2, in OpenSSL's words. */
  tlsCiphers?: string
  /** Connections of each worker; how long a call of gRPC and a TCP connection may be silent. */
  limits?: { connections?: number; grpcIdleMs?: number; tcpIdleMs?: number }
  /** Whether it speaks HTTP/3. */
  http3?: boolean
  /** User of the workers, where the tests are run by root; `nobody nogroup` by default. */
  user?: string
  /** PEM; of those that Node knows by default. */
  trustedCa?: string
}

export async function nginxOf(kind: GatewayKind): Promise<NginxInfo> {
  const { nginx, nginxStable } = await tools()
  return kind === 'stable' ? nginxStable : nginx
}

export function confSettings(
  home: string,
  nginx: NginxInfo,
  options: GatewayOptions,
  ports: { poolPort: number; httpPort: number; httpsPort: number },
): ConfSettings {
  const { kind, workers = 2, tableBytes = 8 * 1024 * 1024, connectTimeoutMs = 2000 } = options
  const { user = 'nobody nogroup', passthrough = false } = options
  const { connections = 8192 } = options.limits ?? {}
  const hasStream = options.streamPorts !== undefined || passthrough
  return {
    home,
    nginxVersion: nginx.version,
    modules: nginx.modules.filter((module) => hasStream || module.includes('http_js')),
    hasStream,
    passthrough,
    http3: options.http3 === true,
    rawPaths: options.rawPaths === true,
    ...(options.tlsCiphers !== undefined && { tlsCiphers: options.tlsCiphers }),
    hasGrpc: true,
    hasRealip: nginx.hasRealip,
    hasJit: nginx.hasJit,
    streamPorts: options.streamPorts ?? '',
    tunedPorts: options.tunedPorts ?? '',
    ...{ proxyProtocolPorts: '', trustedProxies: [], ...options.proxied?.(ports) },
    pool: kind === 'njs' || kind === 'qjs',
    wide: options.wide === true,
    compiled: options.compiled === true,
    seats: hasStream && (kind === 'njs' || kind === 'qjs') && connections >= CONNECTIONS_FOR_SEATS,
    poolPort: ports.poolPort,
    engine: kind === 'qjs' ? 'qjs' : 'njs',
    tableBytes,
    maxBodyBytes: 100 * 1024 * 1024,
    ...{ connections, grpcIdleMs: 3_600_000, tcpIdleMs: 600_000, ...options.limits },
    workers,
    bind: '127.0.0.1',
    httpPort: ports.httpPort,
    httpsPort: ports.httpsPort,
    user: process.getuid?.() === 0 ? user : undefined,
    accessLog: options.accessLog === false ? undefined : `${home}/logs/access.log`,
    connectTimeoutMs,
    trustedCa: options.trustedCa ?? rootCertificates.join('\n'),
  }
}

const NOBODY = 65534

export async function writeHome(
  settings: ConfSettings,
  options: GatewayOptions,
  userPort: number,
): Promise<void> {
  const { home } = settings
  makeHomeFolders(home)
  if (settings.user !== undefined) {
    chmodSync(home, 0o711)
    chmodSync(join(home, 'hop'), 0o710)
    chownSync(join(home, 'hop'), 0, NOBODY)
  }
  for (const [name, text] of Object.entries(renderConf(settings))) {
    const isMain = name === 'nginx.conf'
    const more = isMain && options.conf ? options.conf(userPort).replaceAll('$HOME', home) : ''
    writeFileSync(
      join(home, name),
      more ? text.replace(/\}\n(?=$|\nstream \{)/, `${more}\n}\n`) : text,
    )
  }
  if (options.fallback) {
    writeFileSync(join(home, 'fallback/sluice-upstreams.conf'), options.fallback(home))
  }
  await makeOwnCertificate({ home, domains: ['localhost'] })
  await putModules(join(home, 'sluice'), settings.engine ?? 'njs')
  await options.prepare?.(home)
}

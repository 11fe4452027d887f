/** Everything that a home's nginx reads: its configuration and its modules. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CONNECT_TIMEOUT_MS } from '../contract/servers.js'
import { renderConf } from '../nginx/render.js'
import type { Settings } from '../runtime/config/settings.js'
import { SluiceError, messageOf } from '../runtime/errors.js'
import { readTrustedCa } from '../runtime/trusted-ca.js'
import type { NjsEngine } from '../setup/nginx-probe.js'
import type { NginxInfo } from '../setup/nginx.js'
import { sharesPorts } from './nginx-files.js'
import { hasPassthrough, hasPool, hasSeats, hasStream } from './nginx-features.js'
import type { Account } from './start/accounts.js'
import type { Files } from './start/file-set.js'

/** The built modules, beside the bundle that runs or in the tree that it was started from. */
function builtFor(engine: NjsEngine): string {
  return fileURLToPath(new URL(`../dist/${engine}/`, import.meta.url))
}

function moduleFiles(home: string, engine: NjsEngine): Array<[path: string, text: string]> {
  const built = builtFor(engine)
  try {
    return readdirSync(built)
      .filter((name) => name.endsWith('.js'))
      .map((name) => [join(home, 'sluice', 'njs', name), readFileSync(join(built, name), 'utf8')])
  } catch (error) {
    const message = `the modules for nginx are not in ${built} (${messageOf(error)}); build them with "npm run build"`
    throw new SluiceError('internal', message, { cause: error })
  }
}

/** Who nginx's workers are: an account, or `unchanged` for nginx's own choice. */
export type Workers = Account | 'root' | 'unchanged'

function userLine(workers: Workers): string | undefined {
  if (workers === 'unchanged') {
    return undefined
  }
  return workers === 'root' ? 'root' : `${workers.user} ${workers.group}`
}

/** Throws `invalid` when the settings ask for what this nginx lacks. */
function refuseLacking(settings: Settings, info: NginxInfo): void {
  const { engine, tunedPorts, proxyProtocolPorts, http3 } = settings
  const refuse = (field: keyof Settings, lack: string): never => {
    throw new SluiceError('invalid', `nginx at ${info.path} ${lack}`, { field })
  }
  if (!info.engines.includes(engine)) {
    refuse('engine', `has no njs engine ${engine}, only ${info.engines.join(', ')}`)
  }
  if (http3 && !(info.hasTls && info.hasHttp3)) {
    const lack =
      'cannot speak HTTP/3: it was built without http_v3_module; leave out http3 (SLUICE_HTTP3), or take another nginx'
    refuse('http3', lack)
  }
  if (proxyProtocolPorts !== '' && !info.hasRealip) {
    const lack = 'was built without http_realip_module or stream_realip_module'
    refuse('proxyProtocolPorts', lack)
  }
  if (tunedPorts !== '' && !(hasStream(info) && info.hasPass)) {
    refuse('tunedPorts', 'has no stream module with njs, or was built without stream_pass_module')
  }
}

/**
 * Everything that nginx reads, by absolute path; `isOwn` when it is Sluice's own nginx. Throws
 * `invalid` when the settings ask for what this nginx lacks.
 */
export function gatewayFiles(
  settings: Settings,
  info: NginxInfo,
  workers: Workers,
  isOwn = true,
): Files {
  refuseLacking(settings, info)
  const { home, poolPort, engine, tableBytes, bind, httpPort, httpsPort } = settings
  const { tunedPorts, proxyProtocolPorts, trustedProxies, rawPaths, tlsCiphers } = settings
  const texts = renderConf({
    ...{ home, poolPort, engine, tableBytes, bind, httpPort },
    httpsPort: httpsPort !== 0 && info.hasTls ? httpsPort : undefined,
    nginxVersion: info.version,
    modules: info.modules,
    pool: hasPool(settings, info),
    seats: hasSeats(settings, info),
    wide: settings.pool === 'wide',
    compiled: settings.compiled !== 'off' && hasPool(settings, info),
    hasStream: hasStream(info),
    hasGrpc: info.hasGrpc,
    hasRealip: info.hasRealip,
    hasJit: info.hasJit,
    streamPorts: settings.streamPorts,
    ...{ tunedPorts, proxyProtocolPorts, trustedProxies, rawPaths, tlsCiphers },
    passthrough: hasPassthrough(settings, info),
    http3: settings.http3,
    workers: settings.workers,
    maxBodyBytes: settings.maxBodyBytes,
    connections: settings.connections,
    grpcIdleMs: settings.grpcIdleMs,
    tcpIdleMs: settings.tcpIdleMs,
    reuseport: isOwn && sharesPorts(settings),
    user: userLine(workers),
    accessLog: settings.accessLog ? join(home, 'logs', 'access.log') : undefined,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    trustedCa: readTrustedCa(settings.trustedCa),
  })
  const confs = Object.entries(texts).map(([name, text]): [string, string] => [
    join(home, name),
    text,
  ])
  return new Map([...confs, ...moduleFiles(home, engine)])
}

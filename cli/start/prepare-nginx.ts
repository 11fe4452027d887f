/** nginx is found or fetched, and its files are written and tested, before it is started. */
import type { Settings } from '../../runtime/config/settings.js'
import { OLD_NGINX_MS } from '../../runtime/private-nginx.js'
import { buildOf, ensureNginx, fetchedAtMs } from '../../setup/nginx.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { gatewayFiles } from '../gateway-files.js'
import type { Workers } from '../gateway-files.js'
import { nginxFiles } from '../nginx-files.js'
import { hasPassthrough, hasPool, hasStream } from '../nginx-features.js'
import { foreignFolder, workerAccount } from './accounts.js'
import { testWithFallback } from './fallback-repair.js'
import { writeFiles } from './file-set.js'
import { openToWorkers } from './home.js'
import { makeOwnCertificate } from './own-certificate.js'
import type { NginxFiles } from './home-nginx.js'

export interface PreparedGateway {
  place: NginxFiles
  /** Tells one executable with its modules from another. */
  build: string
  /** Whether any file that nginx reads is not what it was. */
  isChanged: boolean
}

function decideWorkers({ home, user }: Settings): Workers {
  const account = workerAccount(home, user)
  if (process.getuid?.() !== 0) {
    return 'unchanged'
  }
  openToWorkers(home, account)
  return account ?? 'root'
}

function sayForeign({ home }: Settings, print: (line: string) => void): void {
  const folder = foreignFolder(home)
  if (folder !== undefined) {
    const what = `${folder} may be changed by other accounts, and so may what root writes below it`
    print(`${what}: start Sluice as its owner, or keep the home elsewhere (--home /var/lib/sluice)`)
  }
}

/** A private nginx is renewed by nobody else: no package manager knows it. */
function sayAge(info: NginxInfo, print: (line: string) => void): void {
  const atMs = fetchedAtMs(info)
  if (atMs !== undefined && Date.now() - atMs > OLD_NGINX_MS) {
    const day = new Date(atMs).toISOString().slice(0, 10)
    print(`the private nginx was fetched on ${day}; "sluice update" fetches the newest`)
  }
}

/** What this nginx can do, and what not of what is wanted. */
function describe(settings: Settings, info: NginxInfo, print: (line: string) => void): void {
  const peers = hasPool(settings, info)
    ? 'connections to instances stay open'
    : 'a connection for each request'
  sayAge(info, print)
  sayForeign(settings, print)
  print(`nginx ${info.version}, njs ${info.njs} (engine ${settings.engine}), ${peers}`)
  if (settings.httpsPort !== 0 && !info.hasTls) {
    print('no TLS: this nginx was built without http_ssl_module or http_v2_module')
  }
  if (settings.passthrough && settings.httpsPort !== 0 && !hasPassthrough(settings, info)) {
    const lack = hasStream(info)
      ? 'was built without stream_ssl_preread_module or stream_pass_module'
      : 'has no stream module with njs'
    print(`no routes by sni: this nginx ${lack}`)
  }
  if (!info.hasGrpc) {
    print(
      'no gRPC: this nginx was built without http_v2_module, http_auth_request_module or http_grpc_module',
    )
  }
}

/**
 * nginx found (or fetched), its files written and tested; what was there comes back when nginx
 * refuses them.
 */
export async function prepareGateway(
  settings: Settings,
  print: (line: string) => void,
): Promise<PreparedGateway> {
  const info = await ensureNginx({ home: settings.home, nginx: settings.nginx, say: print })
  await makeOwnCertificate(settings)
  const place = nginxFiles(settings, info.path)
  const written = writeFiles(gatewayFiles(settings, info, decideWorkers(settings)))
  try {
    await testWithFallback(place, print)
  } catch (error) {
    written.undo()
    throw error
  }
  describe(settings, info, print)
  return { place, build: buildOf(info), isChanged: written.changed.length > 0 }
}

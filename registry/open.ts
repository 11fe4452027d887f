/** Opens the registry that an address names; loads no other, as the client of etcd takes long. */
import { join } from 'node:path'
import { SluiceError } from '../runtime/errors.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
import { Secret } from '../runtime/config/secret.js'
import type { Registry } from './registry.js'

export interface OpenOptions {
  /** Who opens it: the embedded registry belongs to the controller alone. */
  part: 'controller' | 'agent'
  /** The agent's id. */
  agent?: string
  /** By which a controller knows that agent again. */
  secrets?: readonly string[]
  log: Logger
}

/** Where the embedded registry of a home is. */
function embeddedFolder(home: string): string {
  return join(home, 'registry')
}

/**
 * The registry that the settings name. Once this resolves, the embedded one works; the others go on
 * trying. Rejects with `invalid` (a controller with the URL of another), `conflict` (in use) or
 * `internal` (damaged).
 */
export async function openRegistry(settings: Settings, options: OpenOptions): Promise<Registry> {
  const { registry: url, cluster, home, etcd, agent } = settings
  const { log, agent: id, secrets } = options
  if (/^etcds?:/.test(url)) {
    const { openEtcd } = await import('./etcd/registry.js')
    return openEtcd({ url, cluster, settings: etcd, log })
  }
  if (url === 'embedded' && options.part === 'controller') {
    const { openEmbedded } = await import('./embedded/registry.js')
    return openEmbedded({ folder: embeddedFolder(home), log })
  }
  const { openHttp } = await import('./http/registry.js')
  // The controller of the same home has the store open, and serves it on its socket.
  if (url === 'embedded') {
    return openHttp({
      url: `unix:${join(home, 'api.sock')}`,
      token: undefined,
      ...{ agent: id, secrets, log },
    })
  }
  if (options.part === 'agent') {
    const { token, tokenFile } = agent
    const secret = token === undefined ? undefined : new Secret(token, tokenFile)
    return openHttp({ url, token: secret, agent: id, secrets, log })
  }
  const message = `a controller's registry is "embedded" or etcd://…, not ${url}`
  throw new SluiceError('invalid', message, { field: 'registry' })
}

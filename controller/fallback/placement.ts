/** Where the fallback goes in each mode: beside Sluice's own gateway, or to a user's nginx. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { printAddress } from '../../contract/guard/address.js'
import type { FileModeSettings, Settings } from '../../runtime/config/settings.js'
import { findNginx } from './find-nginx.js'
import type { ConfPlacement } from './http-fallback.js'
import type { FallbackFileOptions } from './fallback-file.js'
import { canTakeAddress } from './ask-nginx.js'

/** A change after a quiet time is on the disk at once; those that follow are gathered. */
const DEBOUNCE_MS = 100
const MIN_INTERVAL_MS = 2000

export interface Placement {
  /** Whether it stands behind the hop of a gateway. Then certificates and streams are kept, too. */
  isHop: boolean
  conf: ConfPlacement
  disk: Pick<
    FallbackFileOptions,
    'folder' | 'stateFolder' | 'access' | 'debounceMs' | 'minIntervalMs'
  >
  /** How nginx is made to read it; absent: it does so when it starts. */
  reload?: FileModeSettings
}

export function placementOf(settings: Settings): Placement {
  return settings.mode === 'gateway' ? forOwnGateway(settings) : forOtherNginx(settings)
}

function forOwnGateway({ home, file }: Settings): Placement {
  const headersPath = join(home, 'sluice/hop-headers.conf')
  const folder = file.directory ?? join(home, 'fallback')
  return {
    isHop: true,
    conf: { kind: 'hop', socketPath: join(home, 'hop/fallback.sock'), headersPath },
    disk: {
      ...{ folder, stateFolder: folder },
      ...{ debounceMs: DEBOUNCE_MS, minIntervalMs: MIN_INTERVAL_MS },
    },
  }
}

function forOtherNginx(settings: Settings): Placement {
  const { home, file, bind, httpPort, trustedProxies, rawPaths, maxBodyBytes } = settings
  const listen = file.listen?.split(',') ?? [printAddress(bind, httpPort)]
  const nginx = trustedProxies.length === 0 ? undefined : findNginx(settings)
  const hasRealip = nginx !== undefined && canTakeAddress(nginx)
  return {
    isHop: false,
    conf: { kind: 'front', listen, maxBodyBytes, trustedProxies, hasRealip, rawPaths },
    disk: {
      folder: file.directory ?? join(home, 'fallback'),
      stateFolder: join(home, 'file-mode'),
      access: file.access,
      debounceMs: DEBOUNCE_MS,
      minIntervalMs: file.minIntervalMs,
    },
    reload: file,
  }
}

/** The same with sockets in a folder for the check, so that nothing that is in use is touched. */
export async function inFolder(place: ConfPlacement, folder: string): Promise<ConfPlacement> {
  const socketPath = join(folder, 'f.sock')
  if (place.kind === 'front') {
    return { ...place, listen: [`unix:${socketPath}`] }
  }
  if (existsSync(place.headersPath)) {
    return { ...place, socketPath }
  }
  // nginx was never set up in this home; what it includes there is checked when it is.
  const headersPath = join(folder, 'headers.conf')
  await writeFile(headersPath, '')
  return { kind: 'hop', socketPath, headersPath }
}

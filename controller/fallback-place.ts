/** Where the fallback goes in each mode, and how it is checked there. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/settings.js'
import { checkConf } from './check.js'
import type { Desired } from './desired.js'
import { Fallback } from './fallback.js'
import type { Candidate, FallbackOptions } from './fallback.js'
import { renderFallback } from './fallback-render.js'
import type { Place } from './fallback-render.js'
import { makeReload } from './reload.js'

type Given = Pick<FallbackOptions, 'isTrusted' | 'emptyHoldMs' | 'onError' | 'onWritten'>

export interface PlaceOptions extends Given {
  log: Logger
  desired(): Desired
}

const DEBOUNCE_MS = 500
const FILE_DEBOUNCE_MS = 100
const MIN_INTERVAL_MS = 2000

/** The user's nginx, the private one, or the one of the PATH; undefined when there is none. */
export function findNginx(settings: Settings): string | undefined {
  if (settings.nginx !== undefined) {
    return settings.nginx
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const candidates = [join(settings.home, 'nginx/bin/nginx')].concat(
    folders.map((folder) => join(folder, 'nginx')),
  )
  return candidates.find((path) => existsSync(path))
}

function placeOf(settings: Settings): Place {
  const { home, file, bind, httpPort } = settings
  if (settings.mode === 'gateway') {
    const headersPath = join(home, 'sluice/hop-headers.conf')
    return { kind: 'hop', socketPath: join(home, 'hop/fallback.sock'), headersPath }
  }
  const host = bind.includes(':') ? `[${bind}]` : bind
  const listen = file.listen?.split(',') ?? [`${host}:${httpPort}`]
  return { kind: 'front', listen }
}

/** The same with sockets in a folder for the check, so that nothing that is in use is touched. */
async function inFolder(place: Place, folder: string): Promise<Place> {
  const socketPath = join(folder, 'fallback.sock')
  if (place.kind === 'front') {
    return { kind: 'front', listen: [`unix:${socketPath}`] }
  }
  if (existsSync(place.headersPath)) {
    return { ...place, socketPath }
  }
  // nginx was never set up in this home; what it includes there is checked when it is.
  const headersPath = join(folder, 'headers.conf')
  await writeFile(headersPath, '')
  return { kind: 'hop', socketPath, headersPath }
}

async function check(
  settings: Settings,
  place: Place,
  desired: Desired,
  log: Logger,
): Promise<void> {
  const nginx = findNginx(settings)
  if (nginx === undefined) {
    log.warn('there is no nginx to check the fallback file with; set SLUICE_NGINX')
    return
  }
  await checkConf(nginx, place.kind === 'hop', async (folder) =>
    renderFallback(desired, settings.domain, await inFolder(place, folder)),
  )
}

export function makeFallback(settings: Settings, options: PlaceOptions): Fallback {
  const { log } = options
  const place = placeOf(settings)
  const isFile = settings.mode === 'file'
  const apply = isFile ? makeReload(settings.file) : undefined
  const render = (): Candidate => {
    const now = options.desired()
    return {
      body: renderFallback(now, settings.domain, place),
      revision: now.revision,
      check: () => check(settings, place, now, log),
    }
  }
  return new Fallback({
    ...options,
    render,
    folder: settings.file.directory ?? join(settings.home, 'fallback'),
    debounceMs: isFile ? FILE_DEBOUNCE_MS : DEBOUNCE_MS,
    minIntervalMs: isFile ? settings.file.minIntervalMs : MIN_INTERVAL_MS,
    ...(apply !== undefined && { apply }),
  })
}

/** What a home's nginx can do, by its build and by the settings. */
import { CONNECTIONS_FOR_SEATS } from '../contract/seat.js'
import { canPool, canSeat } from '../contract/version.js'
import type { Settings } from '../runtime/config/settings.js'
import type { NginxInfo } from '../setup/nginx.js'

export function hasPool(settings: Settings, info: NginxInfo): boolean {
  return settings.pool !== 'off' && canPool(info.version)
}

/** Whether connections to instances need not be asked for first (contract/seat.ts). */
export function hasSeats(settings: Settings, info: NginxInfo): boolean {
  const hasRoom = settings.connections >= CONNECTIONS_FOR_SEATS
  return settings.pool !== 'off' && hasRoom && canSeat(info.version) && hasStream(info)
}

/** Whether nginx can have routes of connections. */
export function hasStream({ modules }: NginxInfo): boolean {
  return modules.some((path) => path.includes('stream_js'))
}

/** Whether connections to the HTTPS port may be passed through by name. */
export function hasPassthrough(settings: Settings, info: NginxInfo): boolean {
  const isWanted = settings.passthrough && settings.httpsPort !== 0
  return isWanted && hasStream(info) && info.hasTls && info.hasPreread
}

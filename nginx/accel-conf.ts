/**
 * `X-Accel-*`: headers by which an instance could steer nginx. They count only where a location of
 * the user's asks for them.
 */
import { ACCEL_HEADERS } from '../contract/guard/header-names.js'
import { ACCEL_HEADER } from '../contract/servers.js'

/** The hop's variable that has an instance's header, where the front's location asks for it. */
export function accelVariable(name: string): string {
  return `$sluice_${name.slice(2).toLowerCase().replaceAll('-', '_')}`
}

/** In a location: nginx heeds none of these headers of answers but `honoured`. */
export function ignoreAccel(...honoured: string[]): string {
  const ignored = ACCEL_HEADERS.filter((name) => !honoured.includes(name))
  return `proxy_ignore_headers ${ignored.join(' ')};`
}

/** Says to a hop that keeps these headers back whether the location wants them. */
export function askAccel(isWanted: boolean): string {
  return `proxy_set_header ${ACCEL_HEADER} ${isWanted ? 1 : 0};`
}

/** What nginx's versions mean to Sluice. */

/** From this version on nginx has `sticky`, `drain` and `resolve`, which the pool is made of. */
export const POOL_SINCE = '1.29.6'

/** Whether `version` (`1.30.6`) is `wanted` or newer. A part that is missing counts as 0. */
export function atLeast(version: string, wanted: string): boolean {
  const have = version.split('.').map(Number)
  const want = wanted.split('.').map(Number)
  for (let i = 0; i < want.length; i++) {
    const difference = (have[i] || 0) - (want[i] as number)
    if (difference !== 0) {
      return difference > 0
    }
  }
  return true
}

/** From this version on an upstream{} of stream{} can learn its servers by DNS (`resolve`). */
const SEATS_SINCE = '1.27.3'

/** Whether this nginx can have seats (seat.ts). */
export function canSeat(nginxVersion: string): boolean {
  return atLeast(nginxVersion, SEATS_SINCE)
}

/** Whether this nginx can have a pool. */
export function canPool(nginxVersion: string): boolean {
  return atLeast(nginxVersion, POOL_SINCE)
}

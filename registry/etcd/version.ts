/** What is wrong with versions of etcd that should be replaced. */
import type { Etcd3 } from 'etcd3'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'

/**
 * The first patch release of each minor release that has the fixes of 2026 for authorization and
 * for connections held open.
 */
const FLOORS: Record<string, number> = { '3.4': 44, '3.5': 33, '3.6': 14, '3.7': 1 }

/** Why this version should be replaced, or null. `3.4.23` → "loses watch events …". */
export function versionProblem(version: string): string | null {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version)
  if (match === null) {
    return null
  }
  const [, major, minor, patch] = match.map(Number) as [number, number, number, number]
  if (major < 3 || (major === 3 && minor < 4)) {
    return 'it is too old to be supported'
  }
  if (major === 3 && minor === 4 && patch < 38) {
    return 'it may lose watch events and revoke leases wrongly (Sluice then heals by comparing, within about a minute)'
  }
  if (major === 3 && minor === 5 && patch < 3) {
    return 'it may corrupt its data when it crashes'
  }
  const floor = FLOORS[`${major}.${minor}`]
  return floor !== undefined && patch < floor ? 'it lacks security fixes' : null
}

/** Never rejects: a user who may not ask for the version works without the warning. */
export async function warnOfVersion(client: Etcd3, endpoint: string, log: Logger): Promise<void> {
  try {
    const { version } = await client.maintenance.status()
    const complaint = versionProblem(version)
    if (complaint === null) {
      return
    }
    log.warn({ endpoint, version, complaint, advice: 'use a current 3.5 or 3.6' }, 'etcd is old')
  } catch (error) {
    log.debug({ endpoint, error: messageOf(error) }, 'the version of etcd could not be had')
  }
}

/** What a home has of lanes and gates (controller/lanes), for who starts or reloads its nginx. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError, messageOf, systemCode } from '../../runtime/errors.js'
import { readIfThereSync } from '../../runtime/whole-file.js'

/** The link to the generation that nginx takes when it starts or is reloaded. */
function inForce(home: string): string {
  return join(home, 'compiled', 'now')
}

function refused(home: string): string {
  return join(home, 'compiled', 'refused')
}

/**
 * Closes all gates: a new nginx has resolved nothing yet. Throws `internal` when one may still be
 * open.
 */
export function closeGates(home: string): void {
  const folder = join(home, 'gates')
  try {
    readdirSync(folder).forEach((name) => rmSync(join(folder, name), { force: true }))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      const message = `the gates in ${folder} cannot be closed: ${messageOf(error)}`
      throw new SluiceError('internal', message, { cause: error })
    }
  }
}

/** nginx then starts without lanes, until the controller writes others. False: there were none. */
export function putLanesAside(home: string): boolean {
  if (!existsSync(inForce(home))) {
    return false
  }
  renameSync(inForce(home), refused(home))
  return true
}

/** Undoes {@link putLanesAside}, but for what was written since. */
export function takeLanesBack(home: string): void {
  if (!existsSync(inForce(home))) {
    renameSync(refused(home), inForce(home))
  }
}

/** How many lanes and gates nginx takes at its next start or reload. */
export function countLanes(home: string): { lanes: number; gates: number } {
  const count = (name: string, line: RegExp): number =>
    (readIfThereSync(join(inForce(home), name))?.match(line) ?? []).length
  return {
    lanes: count('http.conf', /^upstream /gm),
    gates: count('server.conf', /^location "@/gm),
  }
}

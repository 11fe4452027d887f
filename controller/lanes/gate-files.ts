/**
 * Gates as files: one that is there is open. A request asks nginx for the file, so an answer of
 * these calls holds for the next request of every worker.
 */
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError, messageOf, systemCode } from '../../runtime/errors.js'

/** nginx looks a location up by going through their names: those of other lengths cost it least. */
const LENGTHS = 64
/** Of a gate's id. */
const ID_DIGITS = 16

/** Which gate; one to several lanes has a file for each. */
interface GateName {
  id: string
  arms: readonly unknown[]
}

/** The file of the gate, or of one of its arms, and the name of its location. */
export function gateFile(home: string, { id, arms }: GateName, arm = 0): string {
  const name = arms.length > 1 ? `${id}.${arm}` : id
  return `${gateFolder(home)}/${name}${'-'.repeat(parseInt(id.slice(0, 4), 16) % LENGTHS)}`
}

function filesOf(home: string, gate: GateName): string[] {
  const arms = gate.arms.length > 1 ? [...gate.arms.keys()] : [0]
  return arms.map((arm) => gateFile(home, gate, arm))
}

function gateFolder(home: string): string {
  return join(home, 'gates')
}

/**
 * Throws `internal` when the gate may still be open: a change that it must not outlive is refused
 * then.
 */
export function closeGate(home: string, gate: GateName): void {
  filesOf(home, gate).forEach(remove)
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // A disk that takes no changes says so, too, where there is nothing to remove.
    if (systemCode(error) !== 'ENOENT' && mayBeOpen(path)) {
      const message = `the gate ${path} cannot be closed, so nothing is changed: ${messageOf(error)}`
      throw new SluiceError('internal', message, { cause: error })
    }
  }
}

/** nginx takes no folder for a file. */
function mayBeOpen(path: string): boolean {
  try {
    return !lstatSync(path).isDirectory()
  } catch (error) {
    return systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR'
  }
}

/** Throws when there is no room for a file; some of the gate may be open then. */
export function openGate(home: string, gate: GateName): void {
  filesOf(home, gate).forEach((path) => closeSync(openSync(path, 'w', 0o644)))
}

/** For the home of a controller that opens gates. */
export function makeGateFolder(home: string): void {
  mkdirSync(gateFolder(home), { recursive: true, mode: 0o711 })
}

/**
 * Closes all but these, whoever opened them: a controller before this one, or one that does not
 * know yet that it was replaced. Returns those of them that are open. Throws when another one may
 * still be open.
 */
export function closeOtherGates(home: string, ids: Pick<Set<string>, 'has'>): Set<string> {
  const open = new Set<string>()
  for (const name of namesIn(gateFolder(home))) {
    const id = name.slice(0, ID_DIGITS)
    if (ids.has(id)) {
      open.add(id)
    } else {
      remove(join(gateFolder(home), name))
    }
  }
  return open
}

/** Without a folder there is no gate. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      return []
    }
    throw error
  }
}

/** Closes all, of whatever controller. Throws when one may still be open. */
export function closeAllGates(home: string): void {
  closeOtherGates(home, new Set())
}

/**
 * Gates as files: one that is there is open. A request asks nginx for the file, so an answer of
 * these calls holds for the next request of every worker.
 */
import { closeSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError, messageOf, systemCode } from '../../runtime/errors.js'

/** nginx looks a location up by going through their names: those of other lengths cost it least. */
const LENGTHS = 64

/** The file of the gate, and the name of its location. */
export function gateFile(home: string, id: string): string {
  return `${gateFolder(home)}/${id}${'-'.repeat(parseInt(id.slice(0, 4), 16) % LENGTHS)}`
}

function gateFolder(home: string): string {
  return join(home, 'gates')
}

/**
 * Throws `internal` when the gate may still be open: a change that it must not outlive is refused
 * then.
 */
export function closeGate(home: string, id: string): void {
  const path = gateFile(home, id)
  try {
    unlinkSync(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      const message = `the gate ${path} cannot be closed, so nothing is changed: ${messageOf(error)}`
      throw new SluiceError('internal', message, { cause: error })
    }
  }
}

/** Throws when there is no room for a file. */
export function openGate(home: string, id: string): void {
  closeSync(openSync(gateFile(home, id), 'w', 0o644))
}

/** Closes all, of whatever controller. Throws when one may still be open. */
export function closeAllGates(home: string): void {
  const folder = gateFolder(home)
  mkdirSync(folder, { recursive: true, mode: 0o711 })
  for (const name of readdirSync(folder)) {
    closeGate(home, name.replace(/-+$/, ''))
  }
}

/** Files with a header of their revision and checksum, so that damage is noticed. */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readIfThere, writeWhole } from './whole-file.js'
import type { FileAccess } from './whole-file.js'

const FORMAT = 1
const HEADER =
  /^# Sluice, format (\d+)\. Written by the controller; changes here are lost\.\n# revision (\d+)\n# sha256 ([0-9a-f]{64})\n/

export interface Unsealed {
  body: string
  revision: number
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** `body` with a header of its revision and checksum. */
export function seal(body: string, revision: number): string {
  const first = `# Sluice, format ${FORMAT}. Written by the controller; changes here are lost.`
  return `${first}\n# revision ${revision}\n# sha256 ${sha256(body)}\n${body}`
}

/** The body of a sealed text, or undefined when it is not what was sealed, or of another format. */
export function unseal(text: string): Unsealed | undefined {
  const match = HEADER.exec(text)
  if (match === null || Number(match[1]) !== FORMAT) {
    return undefined
  }
  const body = text.slice(match[0].length)
  return sha256(body) === match[3] ? { body, revision: Number(match[2]) } : undefined
}

/** Where the generation before the one in force stands: beside the file, unless said otherwise. */
export function previousPath(path: string, stateFolder = dirname(path)): string {
  return join(stateFolder, `${basename(path)}.previous`)
}

export interface Recovered {
  /** What is in force now; undefined when no generation is sound. */
  content: Unsealed | undefined
  /** Whether a damaged file was put aside, as `….damaged` beside the generation before. */
  wasDamaged: boolean
  /** Whether the generation before took its place. */
  isPrevious: boolean
}

/**
 * Puts the previous generation in the place of a file that is not what was written, or not there;
 * without a sound one, a damaged file is only put aside. Rejects with what the system says.
 */
export async function recoverSealed(
  path: string,
  mode: number,
  { stateFolder = dirname(path), access = {} }: { stateFolder?: string; access?: FileAccess } = {},
): Promise<Recovered> {
  const text = await readIfThere(path)
  const current = text === undefined ? undefined : unseal(text)
  if (current !== undefined) {
    return { content: current, wasDamaged: false, isPrevious: false }
  }
  const older = await readIfThere(previousPath(path, stateFolder))
  const previous = older === undefined ? undefined : unseal(older)
  if (text !== undefined) {
    await writeWhole(join(stateFolder, `${basename(path)}.damaged`), text, mode)
    await rm(path)
  }
  if (older !== undefined && previous !== undefined) {
    await writeWhole(path, older, mode, access)
  }
  const isPrevious = previous !== undefined
  return { content: previous, wasDamaged: text !== undefined, isPrevious }
}

/** Files that are either the old one or the new one, whenever the power goes. */
import { createHash, randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../../runtime/errors.js'

/** The text of a file, or undefined when there is none. Rejects when it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Rejects with what the system says (ENOSPC, EACCES); the old file is there then, unchanged. */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(text)
      await handle.chmod(mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

const FORMAT = 1
const HEADER =
  /^# Sluice, format (\d+)\. Written by the controller; changes here are lost\.\n# revision (\d+)\n# sha256 ([0-9a-f]{64})\n/

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** `body` with a header that tells revision and checksum. */
export function seal(body: string, revision: number): string {
  const first = `# Sluice, format ${FORMAT}. Written by the controller; changes here are lost.`
  return `${first}\n# revision ${revision}\n# sha256 ${sha256(body)}\n${body}`
}

/** The body of a sealed text, or undefined when it is not what was sealed, or of another format. */
export function unseal(text: string): { body: string; revision: number } | undefined {
  const match = HEADER.exec(text)
  if (match === null || Number(match[1]) !== FORMAT) {
    return undefined
  }
  const body = text.slice(match[0].length)
  return sha256(body) === match[3] ? { body, revision: Number(match[2]) } : undefined
}

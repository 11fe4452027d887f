/** The files of a folder as they stand: looked at, and read where they changed. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, systemCode } from '../../../runtime/errors.js'

/** File name → what tells one state of the file from another. */
export type Signatures = ReadonlyMap<string, string>

const MOST_BYTES = 16 * 1024 * 1024

/** Hidden ones are editors' own, and Kubernetes' folders behind its symlinks. */
function isMeant(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name) && !name.startsWith('.')
}

/** Sorted by name. Rejects when the folder cannot be read. */
export async function lookAt(folder: string): Promise<Signatures> {
  const names = (await readdir(folder)).filter(isMeant).sort()
  const found = await Promise.all(
    names.map(async (name) => [name, await signatureOf(join(folder, name))] as const),
  )
  return new Map(found.flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])))
}

/** Undefined: it went in between, or is no file. A link counts as what it leads to. */
async function signatureOf(path: string): Promise<string | undefined> {
  try {
    const file = await stat(path, { bigint: true })
    const { dev, ino, size, mtimeNs, ctimeNs } = file
    return file.isFile() ? [dev, ino, size, mtimeNs, ctimeNs].join(' ') : undefined
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? undefined : `unreadable: ${messageOf(error)}`
  }
}

/** Rejects when it cannot be read, or is far too large. */
export async function readText(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > MOST_BYTES) {
    throw new Error(`it has more than ${MOST_BYTES} bytes`)
  }
  return readFile(path, 'utf8')
}

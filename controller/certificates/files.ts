/** Which certificates are in a folder, and what their files hold. */
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MOST_PEM_BYTES, guardCertificate } from '../../contract/record/certificate.js'
import { wrong } from '../../contract/guard/guarded.js'
import type { Guarded } from '../../contract/guard/guarded.js'
import { systemCode } from '../../runtime/errors.js'
import { readCertificate, timeProblem } from '../state/certificate.js'
import type { Certificate } from '../state/certificate.js'

/** Two files that belong together. */
export interface FilePair {
  /** `app.example.com`: the files' or the folder's name. */
  name: string
  certificate: string
  privateKey: string
}

/** The one whose files have this name serves clients that ask for a name that nobody has. */
const DEFAULT = 'default'
const NAME = /^[A-Za-z0-9_.*-]{1,200}$/

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      return false
    }
    throw error
  }
}

/** `app.crt` beside `app.key`. A `.crt` without a key, such as lego's `app.issuer.crt`, is none. */
function sideBySide(folder: string, files: string[]): FilePair[] {
  const keys = files.filter((file) => file.endsWith('.key')).map((file) => file.slice(0, -4))
  return keys.map((name) => ({
    name,
    certificate: join(folder, `${name}.crt`),
    privateKey: join(folder, `${name}.key`),
  }))
}

/** certbot's: `app/fullchain.pem` and `app/privkey.pem`. */
async function ofFolders(folder: string, names: string[]): Promise<FilePair[]> {
  const pairs: FilePair[] = []
  for (const name of names) {
    const privateKey = join(folder, name, 'privkey.pem')
    if (await exists(privateKey)) {
      pairs.push({ name, certificate: join(folder, name, 'fullchain.pem'), privateKey })
    }
  }
  return pairs
}

async function pairsIn(folder: string): Promise<{ pairs: FilePair[]; folders: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true })
  const named = entries.filter(({ name }) => NAME.test(name) && !name.startsWith('.'))
  const files = named.filter((each) => !each.isDirectory()).map(({ name }) => name)
  const folders = named.filter((each) => !each.isFile()).map(({ name }) => name)
  const pairs = [...sideBySide(folder, files), ...(await ofFolders(folder, folders))]
  return { pairs, folders }
}

/**
 * All pairs of a folder, and of `live` in it; the first of a name. Rejects when the folder cannot
 * be read.
 */
export async function findPairs(folder: string): Promise<FilePair[]> {
  const { pairs, folders } = await pairsIn(folder)
  const live = folders.includes('live') ? (await pairsIn(join(folder, 'live'))).pairs : []
  const byName = new Map([...pairs, ...live].reverse().map((pair) => [pair.name, pair]))
  return [...byName.values()]
}

/** Another text when one of the files may be another. Rejects when one is not there. */
export async function signatureOf({ certificate, privateKey }: FilePair): Promise<string> {
  const both = [await stat(certificate), await stat(privateKey)]
  return both.map(({ ino, size, mtimeMs, ctimeMs }) => [ino, size, mtimeMs, ctimeMs]).join(' ')
}

/** Not more than can be right, whatever it is that was found under the name. */
async function read(path: string): Promise<string> {
  const file = await open(path)
  try {
    const buffer = Buffer.alloc(MOST_PEM_BYTES + 1)
    let length = 0
    for (let bytesRead = -1; bytesRead !== 0 && length < buffer.length; length += bytesRead) {
      ;({ bytesRead } = await file.read(buffer, length))
    }
    return buffer.toString('latin1', 0, length)
  } finally {
    await file.close()
  }
}

/** `field` is the path of the file that is wrong. */
export async function readPair(pair: FilePair): Promise<Guarded<Certificate>> {
  const certificate = await read(pair.certificate)
  const privateKey = await read(pair.privateKey)
  const record = { certificate, privateKey, ...(pair.name === DEFAULT && { default: true }) }
  const shape = guardCertificate(record)
  const checked = shape.ok ? readCertificate(shape.value) : shape
  if (!checked.ok) {
    const isKey = checked.field === 'privateKey'
    return wrong(isKey ? pair.privateKey : pair.certificate, checked.message)
  }
  const isEarly = checked.value.notBeforeAtMs > Date.now()
  return isEarly ? wrong(pair.certificate, timeProblem(checked.value, Date.now()) ?? '') : checked
}

/** The admin token: given by the settings, or made once and kept in the home. */
import { randomBytes } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, messageOf, systemCode } from '../../../runtime/errors.js'
import type { Settings } from '../../../runtime/config/settings.js'

const TOKEN_BYTES = 32
const SHORTEST = 16

/**
 * The token that callers over TCP must send. A file that others could read is closed to them. Rejects with `invalid`
 * when the file holds no usable token, and with the system's error when the home cannot be written.
 */
export async function loadToken(settings: Pick<Settings, 'home' | 'apiToken'>): Promise<string> {
  if (settings.apiToken !== undefined && settings.apiToken !== '') {
    return settings.apiToken
  }
  const file = join(settings.home, 'api-token')
  try {
    // Exclusive: two processes that start at once end with the same token.
    const made = randomBytes(TOKEN_BYTES).toString('base64url')
    await writeFile(file, made + '\n', { mode: 0o600, flag: 'wx' })
    return made
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') {
      throw error
    }
  }
  return readToken(file)
}

async function readToken(file: string): Promise<string> {
  try {
    const token = (await readFile(file, 'utf8')).trim()
    if (token.length < SHORTEST || /\s/.test(token)) {
      const what = `must hold one token of at least ${SHORTEST} characters; delete it to have a new one made`
      throw new SluiceError('invalid', `${file} ${what}`)
    }
    if (((await stat(file)).mode & 0o077) !== 0) {
      await chmod(file, 0o600)
    }
    return token
  } catch (error) {
    if (error instanceof SluiceError) {
      throw error
    }
    throw new SluiceError('invalid', `${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

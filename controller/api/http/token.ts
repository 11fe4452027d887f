/** The admin token: given by the settings, or made once and kept in the home. */
import { randomBytes } from 'node:crypto'
import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '../../../runtime/errors.js'
import { Secret } from '../../../runtime/config/secret.js'
import type { Settings } from '../../../runtime/config/settings.js'
import { readOrMake } from '../../../runtime/whole-file.js'

const TOKEN_BYTES = 32
const SHORTEST = 16

function isUsable(token: string): boolean {
  return token.length >= SHORTEST && !/\s/.test(token)
}

/**
 * The token that callers over TCP must send. A file that others could read is closed to them.
 * Rejects with `invalid` when the file holds no usable token, and with the system's error when it
 * cannot be read or made.
 */
export async function loadToken(
  settings: Pick<Settings, 'home' | 'apiToken' | 'apiTokenFile'>,
): Promise<Secret> {
  if (settings.apiToken !== undefined && settings.apiToken !== '') {
    return new Secret(settings.apiToken, settings.apiTokenFile)
  }
  const file = join(settings.home, 'api-token')
  const token = await readOrMake(file, 0o600, () => randomBytes(TOKEN_BYTES).toString('base64url'))
  if (!isUsable(token)) {
    const what = `must hold one token of at least ${SHORTEST} characters; delete it to have a new one made`
    throw new SluiceError('invalid', `${file} ${what}`)
  }
  if (((await stat(file)).mode & 0o077) !== 0) {
    await chmod(file, 0o600)
  }
  return new Secret(token, file, isUsable)
}

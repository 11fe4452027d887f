/** The name by which the registry knows the gateway of this home. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { isName } from '../../contract/guard/names.js'
import { SluiceError } from '../../runtime/errors.js'
import { readOrMake } from '../../runtime/whole-file.js'

/**
 * This home's gateway id, made at its first use. An empty file is one that a power cut left, and
 * is made anew. Rejects with `invalid` when the file holds something else.
 */
export async function loadGatewayId(home: string): Promise<string> {
  const path = join(home, 'gateway-id')
  const text = await readOrMake(path, 0o644, () => `gw-${randomBytes(4).toString('hex')}`)
  if (!isName(text)) {
    throw new SluiceError('invalid', `${path} holds no gateway id; delete it to get a new one`)
  }
  return text
}

/** Who this agent is: an id that is made once and stays in its home, so that machines differ. */
import { randomBytes } from 'node:crypto'
import { access, mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isName } from '../contract/guard/names.js'
import { messageOf, SluiceError } from '../runtime/errors.js'
import { readIfThere, writeWhole } from '../runtime/whole-file.js'
import { nameOf } from './plan/fold-name.js'

export interface AgentIdentity {
  /** What its records in the registry are known by. */
  id: string
  /** The machine's name, for people. */
  name: string
  /** Two homes never have the same. */
  owner: string
  /** Two machines, and two starts of one machine, never have the same. */
  boot: string
}

const MODE = 0o600
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

function homeFile(home: string): string {
  return join(home, 'agent-identity.json')
}

/** An agent of before had the machine's name as its id: what it registered stays its own. */
async function firstId(home: string): Promise<string> {
  const name = nameOf(hostname()) ?? 'host'
  try {
    await access(join(home, 'agent-lease.json'))
    return name
  } catch {
    // No earlier life: nothing in the registry goes by this machine's name.
    return `${name.slice(0, 50).replace(/-+$/, '')}-${randomBytes(4).toString('hex')}`
  }
}

function parseIdentity(text: string): { id: string; owner: string } | undefined {
  try {
    const { id, owner } = JSON.parse(text) as Record<string, unknown>
    return isName(id) && typeof owner === 'string' && /^[0-9a-f]{32}$/.test(owner)
      ? { id, owner }
      : undefined
  } catch {
    return undefined
  }
}

async function bootId(owner: string): Promise<string> {
  try {
    return (await readFile(BOOT_ID, 'utf8')).trim()
  } catch {
    // A system without one: the home alone distinguishes.
    return owner
  }
}

/**
 * The identity kept in the home. It is made at its first use, unless `isReadOnly`. `named` is the
 * id from the settings, which wins. Rejects with `invalid` when the file holds something else, or
 * cannot be made.
 */
export async function loadIdentity(
  home: string,
  named: string | undefined,
  isReadOnly = false,
): Promise<AgentIdentity> {
  const path = homeFile(home)
  const text = (await readIfThere(path)) ?? ''
  const known = parseIdentity(text)
  if (known === undefined && text.trim() !== '') {
    const cure = 'delete it to get a new one'
    throw new SluiceError('invalid', `${path} holds no identity of an agent; ${cure}`)
  }
  const owner = randomBytes(16).toString('hex')
  const identity = known ?? { id: named ?? (await firstId(home)), owner }
  if (known === undefined && !isReadOnly) {
    try {
      await mkdir(home, { recursive: true })
      await writeWhole(path, `${JSON.stringify(identity)}\n`, MODE)
    } catch (cause) {
      const message = `the agent's identity cannot be written to ${path}: ${messageOf(cause)}`
      throw new SluiceError('invalid', message, { cause })
    }
  }
  const boot = await bootId(identity.owner)
  return { id: named ?? identity.id, name: hostname(), owner: identity.owner, boot }
}

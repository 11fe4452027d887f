/** Who this agent is: an id that is made once and stays in its home, so that machines differ. */
import { createHash, randomBytes } from 'node:crypto'
import { access, mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isName } from '../contract/guard/names.js'
import { messageOf, SluiceError } from '../runtime/errors.js'
import { readIfThere, writeWhole } from '../runtime/whole-file.js'
import { foldName } from '../contract/guard/fold-name.js'

export interface AgentIdentity {
  /** What its records in the registry are known by. */
  id: string
  /** The machine's name, for people. */
  name: string
  /** Two homes never have the same. */
  owner: string
  /** Two machines, and two starts of one machine, never have the same. */
  boot: string
  /** The home's, and this start's of the machine. Neither is in the registry. */
  secrets: string[]
}

const MODE = 0o600
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

function homeFile(home: string): string {
  return join(home, 'agent-identity.json')
}

function newMark(): string {
  return randomBytes(16).toString('hex')
}

/** An agent of before had the machine's name as its id: what it registered stays its own. */
async function firstId(home: string): Promise<string> {
  const name = foldName(hostname()) ?? 'host'
  try {
    await access(join(home, 'agent-lease.json'))
    return name
  } catch {
    // No earlier life: nothing in the registry goes by this machine's name.
    return `${name.slice(0, 50).replace(/-+$/, '')}-${randomBytes(4).toString('hex')}`
  }
}

interface StoredIdentity {
  id: string
  owner: string
  /** Absent in a file of before. */
  secret?: string
}

function isHex(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

function parseIdentity(text: string): StoredIdentity | undefined {
  try {
    const { id, owner, secret } = JSON.parse(text) as Record<string, unknown>
    return isName(id) && isHex(owner) && (secret === undefined || isHex(secret))
      ? { id, owner, ...(secret !== undefined && { secret }) }
      : undefined
  } catch {
    return undefined
  }
}

/** A system without one: the home alone distinguishes. */
async function bootId(): Promise<string | undefined> {
  return (await readIfThere(BOOT_ID).catch(() => undefined))?.trim()
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
  const [owner, secret] = [newMark(), newMark()]
  const identity = { id: named ?? known?.id ?? (await firstId(home)), owner, secret, ...known }
  if (known?.secret === undefined && !isReadOnly) {
    try {
      await mkdir(home, { recursive: true })
      await writeWhole(path, `${JSON.stringify(identity)}\n`, MODE)
    } catch (cause) {
      const message = `the agent's identity cannot be written to ${path}: ${messageOf(cause)}`
      throw new SluiceError('invalid', message, { cause })
    }
  }
  const start = await bootId()
  return {
    ...{ id: named ?? identity.id, name: hostname(), owner: identity.owner },
    boot: start === undefined ? identity.owner : createHash('sha256').update(start).digest('hex'),
    secrets: [identity.secret, ...(start === undefined ? [] : [start])],
  }
}

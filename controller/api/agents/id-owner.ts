/**
 * Whose an agent's id is. All agents have one token, so each also sends secrets of its own. While
 * the lease lives under which it registered, nobody else writes by its id.
 */
import { createHash } from 'node:crypto'
import { isObject } from '../../../contract/guard/guarded.js'
import { printKey } from '../../../contract/keys.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { PutOperation, Registry, RegistryOperation } from '../../../registry/registry.js'

/** The home's, and that of the machine's start. */
const MOST_SECRETS = 2
const SECRET = /^[\w-]{16,64}$/

/** The secrets in a call's header. Throws `invalid`, without naming them. */
export function secretsOf(header: unknown): string[] {
  const secrets = typeof header === 'string' ? header.split(',') : []
  if (secrets.length > MOST_SECRETS || !secrets.every((secret) => SECRET.test(secret))) {
    throw new SluiceError(
      'invalid',
      `the header X-Sluice-Agent-Secret must be at most ${MOST_SECRETS} secrets of 16 to 64 characters`,
      { field: 'secret' },
    )
  }
  return secrets
}

/**
 * The operations, and the claim beside the agent's own record, under its lease: `agents/<id>`,
 * `{"secrets": [<sha256>, …]}`. Agents of before send no secrets, and claim nothing. Rejects with
 * `conflict` when another one has claimed the id.
 */
export async function withClaim(
  agent: string,
  secrets: string[],
  operations: RegistryOperation[],
  registry: Pick<Registry, 'get'>,
): Promise<RegistryOperation[]> {
  const key = printKey({ kind: 'agents', id: agent })
  const { entry } = await registry.get(key)
  const own = secrets.map((secret) => createHash('sha256').update(secret).digest('hex'))
  const digests = entry === undefined ? undefined : claimed(entry.value)
  if (digests !== undefined && !own.some((digest) => digests.includes(digest))) {
    const message = `agent ${agent} is another one: the secret given is not the one that this id was registered with`
    throw new SluiceError('conflict', message, { field: 'agent' })
  }
  const hosts = printKey({ kind: 'hosts', id: agent })
  const record = operations.find(
    (each): each is PutOperation => each.type === 'put' && each.key === hosts,
  )
  if (record?.lease === undefined || own.length === 0) {
    return operations
  }
  const value = JSON.stringify({ secrets: own })
  const ifRevision = entry?.revision ?? 0
  return [...operations, { type: 'put', key, value, lease: record.lease, ifRevision }]
}

/** Digests; of what is no claim, none fits. */
function claimed(value: string): unknown[] {
  try {
    const claim: unknown = JSON.parse(value)
    return isObject(claim) && Array.isArray(claim.secrets) ? claim.secrets : []
  } catch {
    return []
  }
}

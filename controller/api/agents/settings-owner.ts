/**
 * Whose an upstream's settings are: `owners/<upstream>`, `{"agent", "digest"}`, beside what an
 * agent put. The controller alone writes it, so no agent can claim what an operator has set.
 */
import { createHash } from 'node:crypto'
import { parseKey, printKey } from '../../../contract/keys.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { Registry, RegistryOperation } from '../../../registry/registry.js'

/**
 * Why the agent may not do it; undefined: it may. New settings are for any agent. Those that are
 * there are for the agent that put this very value. Rejects with `changed` unless the operation
 * names the revision that was compared: with another one it could meet an operator's value.
 */
export async function settingsRefusal(
  operation: RegistryOperation,
  agent: string,
  registry: Pick<Registry, 'get'>,
): Promise<string | undefined> {
  if (operation.type === 'put' && operation.ifRevision === 0) {
    return undefined
  }
  const { entry } = await registry.get(operation.key)
  if (entry?.revision !== operation.ifRevision || entry === undefined) {
    throw new SluiceError('changed', `${operation.key} was changed meanwhile`)
  }
  const key = ownerKey(operation.key)
  const owner = key === undefined ? undefined : (await registry.get(key)).entry
  return owner?.value === ownerValue(agent, entry.value) ? undefined : 'it is not its own'
}

/** The operations, and whose each upstream's settings are then. */
export function withOwners(agent: string, operations: RegistryOperation[]): RegistryOperation[] {
  const owners = operations.flatMap((operation): RegistryOperation[] => {
    const key = ownerKey(operation.key)
    if (key === undefined) {
      return []
    }
    return operation.type === 'put'
      ? [{ type: 'put', key, value: ownerValue(agent, operation.value) }]
      : [{ type: 'delete', key }]
  })
  return [...operations, ...owners]
}

function ownerKey(key: string): string | undefined {
  const parsed = parseKey(key)
  return parsed?.kind === 'upstreams'
    ? printKey({ kind: 'owners', id: parsed.upstream })
    : undefined
}

function ownerValue(agent: string, value: string): string {
  return JSON.stringify({ agent, digest: createHash('sha256').update(value).digest('hex') })
}

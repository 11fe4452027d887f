/** Another machine that goes by this agent's id. */
import type { AgentRecord } from '../../contract/record/agent-record.js'
import { SluiceError } from '../../runtime/errors.js'

/**
 * Throws `conflict` when `host`, the record under the id of `agent`, is another machine's, whose
 * lease lives. Without `identity`, ids are taken on trust.
 */
export function refuseImpostor(
  agent: string,
  identity: Pick<AgentRecord, 'owner' | 'boot'> | undefined,
  host: Partial<AgentRecord> | undefined,
): void {
  const isOurs =
    identity === undefined ||
    host?.owner === undefined ||
    host.owner === identity.owner ||
    host.boot === identity.boot
  if (!isOurs) {
    const other = [host.name, host.address].filter(Boolean).join(', ') || 'another machine'
    const what = `agent ${agent} is ${other} already; nothing is registered from here`
    throw new SluiceError('conflict', `${what}: set SLUICE_AGENT_ID to an id of its own`)
  }
}

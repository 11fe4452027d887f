/** Another machine that goes by this agent's id. */
import type { AgentRecord } from '../../contract/record/agent-record.js'
import { SluiceError } from '../../runtime/errors.js'

/**
 * Throws `conflict` when another machine, whose lease lives, has the id `agent`; `machine` is the
 * record under that id. Without `identity`, ids are taken on trust.
 */
export function refuseImpostor(
  agent: string,
  identity: Pick<AgentRecord, 'owner' | 'boot'> | undefined,
  machine: Partial<AgentRecord> | undefined,
): void {
  const isOurs =
    identity === undefined ||
    machine?.owner === undefined ||
    machine.owner === identity.owner ||
    machine.boot === identity.boot
  if (!isOurs) {
    const other = [machine.name, machine.address].filter(Boolean).join(', ') || 'another machine'
    const what = `agent ${agent} is ${other} already; nothing is registered from here`
    throw new SluiceError('conflict', `${what}: set SLUICE_AGENT_ID to an id of its own`)
  }
}

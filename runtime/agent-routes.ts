/** What the ids of an agent's routes begin with. */
import { createHash } from 'node:crypto'
import { AGENT_ROUTES } from '../contract/keys.js'

/** Routes have no lease by which to find them; so their ids say whose they are. */
export function agentRoutePrefix(agent: string): string {
  return `${AGENT_ROUTES}${createHash('sha256').update(agent).digest('hex').slice(0, 8)}-`
}

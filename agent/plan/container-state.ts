/** What a container's own state makes of its instance. Pure. */
import type { InstanceState } from '../../contract/record/instance-record.js'
import type { Container } from '../engine/container.js'

/** Why an instance drains. An agent that starts again reads from it which runs were stopping. */
export const STOPPING = 'the container was told to stop'

/** How the reason of one ends that is up, and that its agent does not reach. */
export const UNREACHED = 'does not reach this address; each gateway finds out for itself'

/** How the reason of one that has ended begins. */
export const ENDED = 'the container has stopped'

export interface Observed {
  /** A stop signal was sent to this run of it. Inspect says `running` until it has ended. */
  signalled: boolean
  /** Its port took a connection once, or is one that cannot be tried. */
  answered: boolean
  /** The agent that does not reach its registered address. */
  unreachedBy?: string | undefined
}

export interface StateAndReason {
  state: InstanceState
  reason?: string
}

function endReason({ end }: Container): string {
  const code = end === undefined ? '' : `: exit code ${end.exitCode}`
  return `${ENDED}${code}${end?.outOfMemory === true ? ', out of memory' : ''}`
}

export function containerState(container: Container, observed: Observed): StateAndReason {
  if (container.status === 'stopped') {
    return { state: 'down', reason: endReason(container) }
  }
  if (container.status === 'paused') {
    return { state: 'down', reason: 'the container is paused' }
  }
  if (observed.signalled) {
    return { state: 'draining', reason: STOPPING }
  }
  if (container.health === 'starting' || container.health === 'unhealthy') {
    return { state: 'down', reason: `its HEALTHCHECK says ${container.health}` }
  }
  if (container.health === 'none' && !observed.answered) {
    return { state: 'down', reason: 'its port does not take connections yet' }
  }
  return observed.unreachedBy === undefined
    ? { state: 'up' }
    : { state: 'up', reason: `agent ${observed.unreachedBy} ${UNREACHED}` }
}

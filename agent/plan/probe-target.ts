/** A container's port that the agent tries to connect to. */
import type { InstanceAddress } from './instance-address.js'

/** Where a container's port is to be tried. */
export interface ProbeTarget {
  run: string
  host: string
  port: number
  /** Where this machine reaches the container besides; it shows that the container listens. */
  direct?: InstanceAddress | undefined
  /** Name of the container. */
  container: string
}

export function targetKey(target: Pick<ProbeTarget, 'run' | 'host' | 'port'>): string {
  return `${target.run} ${target.host} ${target.port}`
}

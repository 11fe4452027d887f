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

/** `<run> <host> <port>` */
export function targetKey(target: Pick<ProbeTarget, 'run' | 'host' | 'port'>): string {
  return `${target.run} ${target.host} ${target.port}`
}

/** The run of a container (`runOf`) in a {@link targetKey}. */
export function runIn(key: string): string {
  return key.slice(0, key.indexOf(' '))
}

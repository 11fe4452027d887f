/** What a gateway's table is to be level with. */
import type { Unit } from './unit.js'

/** Where the table comes from. */
export interface TableSource {
  /** False until the registry was read once: an empty table must not be taken for the truth. */
  readonly isReady: boolean
  /** As of the last `update`. */
  readonly revision: number
  readonly units: ReadonlyMap<string, Unit>
  /** Whether a unit that is not there may still come, from where nobody has read yet. */
  isAwaited?(name: string): boolean
  /** Whether the gateway takes names of instances from slots of hosts. */
  setNamed?(isNamed: boolean): void
  /** Compiles what is new. Answers the names of the units that changed since the last call. */
  update(): Iterable<string>
}

/** Counts what is in flight to a peer, by its SID, or to a whole upstream: balances go by it. */
import type { NumberDict } from './dict.js'
import { enterLoad, leaveLoad } from './load.js'
import { onExit } from './on-exit.js'

/** Counts one more, for as long as the request lasts; not at all where the zone is full. */
export function countLoad(load: NumberDict, name: string, pid: number): void {
  if (enterLoad(load, name, pid) > 0) {
    onExit(() => leaveLoad(load, name, pid))
  }
}

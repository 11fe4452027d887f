/** Takes one of a peer's places, for as long as the request lasts. */
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import type { NumberDict } from './dict.js'
import { onExit } from './on-exit.js'
import { enterLoad, leaveLoad } from './load.js'

/** False when another worker was quicker and the last place is gone. */
export function takePlace(
  load: NumberDict,
  rules: Rules,
  upstream: string,
  entry: ListEntry,
  pid: number,
): boolean {
  const now = enterLoad(load, entry.sid, pid)
  if (entry.maxConns > 0 && now > entry.maxConns) {
    leaveLoad(load, entry.sid, pid)
    return false
  }
  if (now > 0) {
    onExit(() => leaveLoad(load, entry.sid, pid))
  }
  if (rules.loadPercent > 0) {
    countPlace(load, upstream, pid)
  }
  return true
}

/** Counts one more in flight: to a peer without a limit, by its SID, or to a whole upstream. */
export function countPlace(load: NumberDict, name: string, pid: number): void {
  if (enterLoad(load, name, pid) > 0) {
    onExit(() => leaveLoad(load, name, pid))
  }
}

/**
 * Takes a place: counts a request or a connection as in flight to a peer, for as long as it lasts,
 * if the peer's `maxConns` has room for it.
 */
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import { countLoad } from './count-load.js'
import type { NumberDict } from './dict.js'
import { onExit } from './on-exit.js'
import { enterLoad, leaveLoad } from './load.js'

/** False when another request took the last place first. */
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
    countLoad(load, upstream, pid)
  }
  return true
}

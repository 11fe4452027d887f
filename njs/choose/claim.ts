/** A chosen peer is taken: one of its places under maxConns, and its count for drains. */
import { countForDrain } from '../memory/count-for-drain.js'
import { countFailure } from '../memory/counters.js'
import type { Log } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { takePlace } from '../memory/take-place.js'
import type { PeerChoice } from './choice-types.js'
import { counts } from './policy/balance.js'

/** False when another worker took the peer's last place meanwhile. */
export function claimPlace(choice: PeerChoice): boolean {
  const ruled = choice.ruled
  return (
    ruled === undefined ||
    !counts(ruled.rules) ||
    takePlace(zones.sluice_load, ruled.rules, choice.upstream, ruled.entry, process.pid)
  )
}

/** Counts a request or a connection for drains, for as long as it lasts. Never throws. */
export function countPeer(sid: string, what: string, log: Log): void {
  try {
    countForDrain(sid)
  } catch (error) {
    countFailure(zones.sluice_counter, 'counting ' + what, error, log)
  }
}

/** Takes a place at the peer that was chosen, where its upstream counts what is in flight. */
import { zones } from '../memory/dict.js'
import { takePlace } from '../memory/take-place.js'
import type { PeerChoice } from './choice-types.js'
import { countsLoad } from './policy/balance.js'

/** False when another request took the peer's last place meanwhile. */
export function takePlaceAt(choice: PeerChoice): boolean {
  const ruled = choice.ruled
  return (
    ruled === undefined ||
    !countsLoad(ruled.rules) ||
    takePlace(zones.sluice_load, ruled.rules, choice.upstream, ruled.entry, process.pid)
  )
}

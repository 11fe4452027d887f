/** Counts what is in flight to a peer beyond what nginx itself counts: drains wait for it. */
import { activeKey, enter, leave } from './active-counts.js'
import { zones } from './dict.js'
import { onExit } from './on-exit.js'

/** Counts this request or connection, for as long as it lasts. Throws when the zone is full. */
export function countForDrain(sid: string): void {
  const active = zones.sluice_active
  const key = activeKey(sid, process.pid)
  enter(active, key)
  onExit(() => leave(active, key))
}

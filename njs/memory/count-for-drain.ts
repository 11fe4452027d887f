/** Counts what is in flight to a peer beyond what nginx itself counts: drains wait for it. */
import { activeKey, enter, leave } from './active-counts.js'
import { countFailure } from './counters.js'
import type { Log } from './counters.js'
import { zones } from './dict.js'
import { onExit } from './on-exit.js'

/** Counts this request or connection, for as long as it lasts. Throws when the zone is full. */
export function countForDrain(sid: string): void {
  const active = zones.sluice_active
  const key = activeKey(sid, process.pid)
  enter(active, key)
  onExit(() => leave(active, key))
}

/** The same, but never throws. `what`: `a request` or `a connection`, for the log. */
export function countForDrainSafely(sid: string, what: string, log: Log): void {
  try {
    countForDrain(sid)
  } catch (error) {
    countFailure(zones.sluice_counter, 'counting ' + what, error, log)
  }
}

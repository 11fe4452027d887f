/** The ring of failures that the controller reads (EVENT_ZONE). */
import { EVENTS, EVENT_COUNT } from '../contract/zones.js'
import type { Dict, NumberDict } from './dict.js'

/** `f<sid>` or `p<sid>`. Throws when a zone is full. */
export function appendEvent(ring: Dict, counter: NumberDict, event: string): void {
  const count = counter.incr(EVENT_COUNT, 1)
  ring.set(String((count - 1) % EVENTS), event)
}

/** What the controller hears of single requests: a ring of failures and trials in shared memory. */
import type { EventsReply } from '../../contract/push.js'
import { EVENTS, EVENT_COUNT } from '../../contract/table/zones.js'
import { Width } from '../../contract/table/table.js'
import type { Dict, NumberDict } from './dict.js'

/**
 * Appends `f<sid>`, `t<sid>` or `p<sid>`; throws when a zone is full. The number stands before
 * the text, because between the two steps of a writer a reader finds in the slot what was there a
 * whole ring ago.
 */
export function appendEvent(events: Dict, counter: NumberDict, text: string): void {
  const number = counter.incr(EVENT_COUNT, 1) - 1
  events.set(String(number % EVENTS), number + text)
}

/**
 * Events from number `from` on. One whose writer has not come to it yet is left out: a failure
 * less changes nothing.
 */
export function readEvents(
  counter: NumberDict,
  events: Dict,
  from: number,
  master: number,
): EventsReply {
  const next = counter.get(EVENT_COUNT) || 0
  const found: string[] = []
  // Who has seen more than there is has seen an nginx that was before this one: all of this one's
  // are new.
  for (let number = Math.max(from > next ? 0 : from, next - EVENTS); number < next; number++) {
    const text = events.get(String(number % EVENTS))
    const prefix = String(number)
    if (
      text !== undefined &&
      text.length === prefix.length + 1 + Width.Sid &&
      text.indexOf(prefix) === 0
    ) {
      found.push(text.slice(prefix.length))
    }
  }
  return { master: master, next: next, events: found }
}

/** `?from=` of a request; null when it is no number. */
export function parseFrom(text: unknown): number | null {
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : null
}

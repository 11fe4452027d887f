/**
 * What the controller hears of single requests: failures and trials, in a ring in shared memory,
 * and counts by peer.
 */
import type { AnswersReply, EventsReply } from '../../contract/push.js'
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

export function readAnswerCounts(load: NumberDict, sids: string[]): AnswersReply {
  const read = (kind: string): number[] => sids.map((sid) => load.get(kind + sid) || 0)
  return { answers: read('n'), errors: read('e'), millis: read('m') }
}

/**
 * Takes from the totals `c<sid>` what workers that are none of `living` have left under
 * `c<sid>/<pid>`. Answers how many of these there were. Walks all keys: for when a worker is
 * known to have died.
 */
export function sweepDead(load: NumberDict, living: number[]): number {
  let swept = 0
  load.keys(-1).forEach((key) => {
    const slash = key.indexOf('/')
    if (key.charAt(0) !== 'c' || slash < 0 || living.indexOf(Number(key.slice(slash + 1))) >= 0) {
      return
    }
    const left = load.get(key)
    // Whoever deletes it is the one who subtracts it; QuickJS does not say, and only one
    // controller asks.
    if (left !== undefined && load.delete(key) !== false) {
      load.incr(key.slice(0, slash), -left)
      swept += 1
    }
  })
  return swept
}

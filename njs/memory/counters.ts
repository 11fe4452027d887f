/** Event counters. They are for people: what cannot be counted still has to be served. */
import type { NumberDict } from './dict.js'

export type CountedEvent = 'noRoute' | 'noPeer' | 'full' | 'retried' | 'fallback' | 'failed'

/** Where to say what went wrong: a request, with nginx's log behind it. */
export interface Log {
  error(text: string): void
}

/** Never throws. */
export function countEvent(counter: NumberDict, event: CountedEvent, log: Log): void {
  try {
    counter.incr(event, 1)
  } catch (error) {
    log.error('sluice: ' + event + ' is not counted: ' + String(error))
  }
}

/** Says and counts that something of ours threw. Never throws. */
export function countFailure(counter: NumberDict, what: string, error: unknown, log: Log): void {
  log.error('sluice: ' + what + ' failed: ' + String(error))
  countEvent(counter, 'failed', log)
}

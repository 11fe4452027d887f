/** Counts events for people to see. What cannot be counted is served all the same. */
import type { CountedEvent } from '../../contract/push.js'
import type { NumberDict } from './dict.js'

/** Where to say what went wrong: a request or a connection, whose log is nginx's. */
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

/** Logs and counts that something of Sluice's threw. Never throws. */
export function countFailure(counter: NumberDict, what: string, error: unknown, log: Log): void {
  log.error('sluice: ' + what + ' failed: ' + String(error))
  countEvent(counter, 'failed', log)
}

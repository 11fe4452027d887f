/** The handlers of a watch, guarded: what one of them throws harms nobody else. */
import { messageOf } from '../runtime/errors.js'
import type { Logger } from '../runtime/logger.js'
import type { WatchHandlers } from './registry.js'

/**
 * The handlers, guarded: one that throws costs a log line. Neither the changes of other watchers
 * nor an adapter's loop end with it. The same news of the connection is not given twice in a row.
 */
export function guardHandlers(handlers: WatchHandlers, log: Logger): WatchHandlers {
  let said: string | undefined
  const guard = (call: () => void) => {
    try {
      call()
    } catch (error) {
      log.error({ error: messageOf(error) }, 'a watcher of the registry failed')
    }
  }
  return {
    onListing: (listing, restored) => guard(() => handlers.onListing(listing, restored)),
    onChanges: (changes, revision) => guard(() => handlers.onChanges(changes, revision)),
    onConnected: (connected, reason) => {
      const word = `${connected} ${reason ?? ''}`
      if (word === said) {
        return
      }
      said = word
      guard(() => handlers.onConnected(connected, reason))
    },
  }
}

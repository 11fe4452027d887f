/** Delivers what a watch has seen, in order, to its handlers. */
import { messageOf } from '../runtime/errors.js'
import type { Logger } from '../runtime/logger.js'
import type { WatchHandlers } from './registry.js'

/**
 * The handlers, such that one that throws costs a log line, and neither other watchers' changes nor an adapter's loop.
 * The same word on the connection is not said twice in a row.
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

/** How a part that a supervisor started ends with it. */

/** More than a part needs to stop in order when its channel ends. */
export const STOP_MS = 5000

/**
 * A part that a supervisor started ends with it, also when the supervisor went before the part
 * listened for that. Without a supervisor this does nothing.
 */
export function endWithSupervisor(): void {
  // A daemon outlives the terminal that it was started from.
  process.on('SIGHUP', () => undefined)
  if (process.connected === false) {
    process.exit(0)
  }
  process.once('disconnect', () => setTimeout(() => process.exit(1), STOP_MS).unref())
}

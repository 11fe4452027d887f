/** Waits until something is so. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  deadlineMs?: number
  intervalMs?: number
  /** What is waited for, for the message. */
  what?: string
}

/** Asks again and again, and returns the first answer that is neither falsy nor an error. */
export async function until<T>(
  ask: () => T | Promise<T>,
  { deadlineMs = 10_000, intervalMs = 20, what = ask.toString() }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const endsAtMs = Date.now() + deadlineMs
  let cause: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer) {
        return answer
      }
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (Date.now() > endsAtMs) {
      throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause })
    }
    await sleep(intervalMs)
  }
}

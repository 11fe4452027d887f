/**
 * One writer at a time: a shared dict has no transactions, and requests to the admin endpoint may
 * meet in two workers.
 */
import type { NumberDict } from './dict.js'

/** Key in the counter zone; the table's zone must not be needed to free room in the table. */
const WRITE_LOCK_KEY = 'turn'
/**
 * A write holds its worker for milliseconds. What is older was left by a worker that died in it.
 */
const STALE_AFTER_MS = 5000

/** Whether it is the caller's turn; then it must give it back. */
export function lockWrites(counter: NumberDict, nowMs: number): boolean {
  if (counter.add(WRITE_LOCK_KEY, nowMs)) {
    return true
  }
  const sinceMs = counter.get(WRITE_LOCK_KEY)
  if (sinceMs !== undefined && Math.abs(nowMs - sinceMs) <= STALE_AFTER_MS) {
    return false
  }
  counter.set(WRITE_LOCK_KEY, nowMs)
  return true
}

export function unlockWrites(counter: NumberDict): void {
  counter.delete(WRITE_LOCK_KEY)
}

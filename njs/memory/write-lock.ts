/**
 * One writer at a time: a shared dict has no transactions, and requests to the admin endpoint may
 * meet in two workers.
 */
import type { NumberDict } from './dict.js'

/** In the counter zone: a table that is full must not keep a write from freeing room in it. */
const WRITE_LOCK_KEY = 'writeLock'
/** A write takes milliseconds. A lock that is older was left by a worker that died. */
const STALE_AFTER_MS = 5000

/** Takes the lock; false when another write has it. Whoever takes it calls `unlockWrites`. */
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

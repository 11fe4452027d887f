/**
 * A place at a peer that one server of nginx takes for a request of another one's. That one may
 * have ended before it hears of it, so the two meet in a dict: there stands who waits, and then
 * what was taken for him.
 */
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import { zones } from './dict.js'
import { enterLoad, leaveLoad } from './load.js'
import { onExit } from './on-exit.js'

const WAITING = '-'

function leaveAll(names: string[], pid: number): void {
  names.forEach((name) => leaveLoad(zones.sluice_load, name, pid))
}

/**
 * Waits, for as long as the request lasts, for a place to be taken for it. `name` is nobody else's
 * in this worker. Answers what `promisePlace` is to be given; '' when the zone is full.
 */
export function awaitPlace(name: string): string {
  const pid = process.pid
  const waiter = pid + '-' + name
  const promises = zones.sluice_promise
  try {
    if (!promises.add(waiter, WAITING)) {
      return ''
    }
  } catch (error) {
    return ''
  }
  onExit(() => {
    const taken = promises.pop(waiter)
    if (taken !== undefined && taken !== WAITING) {
      leaveAll(taken.split(' '), pid)
    }
  })
  return waiter
}

/**
 * Takes the place in the waiter's name: it counts as his worker's, and is free when his request
 * ends. False when the last place is gone, or he is.
 */
export function promisePlace(
  waiter: string,
  rules: Rules,
  upstream: string,
  entry: ListEntry,
): boolean {
  if (waiter === '') {
    return false
  }
  const load = zones.sluice_load
  const pid = parseInt(waiter, 10)
  const now = enterLoad(load, entry.sid, pid)
  const taken = now > 0 ? [entry.sid] : []
  if (now > entry.maxConns) {
    leaveAll(taken, pid)
    return false
  }
  if (rules.loadPercent > 0 && enterLoad(load, upstream, pid) > 0) {
    taken.push(upstream)
  }
  try {
    if (taken.length === 0 || zones.sluice_promise.replace(waiter, taken.join(' '))) {
      return true
    }
  } catch (error) {
    // Full: it is as if he were gone.
  }
  leaveAll(taken, pid)
  return false
}

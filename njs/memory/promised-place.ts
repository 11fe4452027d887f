/**
 * A place at a peer that the judge takes for a request of the hop. That request may have ended
 * before the hop hears of the place, so the two meet in a dict: a key says that the request waits,
 * and then what was taken for it.
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
 * Takes the place for the request that waits: it counts for that one's worker, and is free when
 * that one ends. False when the last place is gone, or the request.
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
    // Full: it is as if the request were gone.
  }
  leaveAll(taken, pid)
  return false
}

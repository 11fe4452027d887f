/** In-flight requests that `limit_conn` does not see: those the hop sends, by peer and worker. */
import type { ActiveRequest } from '../../contract/push.js'
import type { NumberDict } from './dict.js'

/**
 * `<sid>/<pid>`: a worker counts alone under its key, so what it left behind when it died can be
 * told apart.
 */
export function activeKey(sid: string, pid: number): string {
  return sid + '/' + pid
}

/** Throws when the zone is full. */
export function enter(active: NumberDict, key: string): void {
  active.incr(key, 1)
}

export function leave(active: NumberDict, key: string): void {
  // No other worker writes this key, so nobody can come between the two.
  if (active.incr(key, -1) <= 0) {
    active.delete(key)
  }
}

/** In flight to each of `sids` in the workers `pids`, in their order. */
export function countActive(active: NumberDict, request: ActiveRequest): number[] {
  return request.sids.map((sid) =>
    request.pids.reduce((sum, pid) => sum + (active.get(activeKey(sid, pid)) || 0), 0),
  )
}

/**
 * Deletes what workers left that are none of `living`. Keys are there only while requests are, so
 * they are few.
 */
export function dropDead(active: NumberDict, living: number[]): void {
  active.keys(-1).forEach((key) => {
    if (living.indexOf(Number(key.slice(key.indexOf('/') + 1))) < 0) {
      active.delete(key)
    }
  })
}

/** Counts what the front sends to a peer whose upstream goes by what is in flight. */
import type { NumberDict } from '../memory/dict.js'
import { countPlace } from '../memory/take-place.js'

function count(load: NumberDict, sid: string): string {
  countPlace(load, sid, process.pid)
  return sid
}

export function placeCounter(): typeof count {
  return count
}

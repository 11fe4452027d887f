/** Counts what the front sends to a peer whose upstream goes by what is in flight. */
import type { NumberDict } from '../memory/dict.js'
import { countLoad } from '../memory/count-load.js'

function count(load: NumberDict, sid: string): string {
  countLoad(load, sid, process.pid)
  return sid
}

export function loadCounter(): typeof count {
  return count
}

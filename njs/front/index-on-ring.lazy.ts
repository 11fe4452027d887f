/** Where on the ring of a hash a request falls. */
import { RING_CHUNK, RING_POSITIONS } from '../../contract/table/rules.js'
import { textOf } from '../../contract/table/text-of.js'
import { DRAWS, SHARES } from '../../contract/table/limits.js'
import type { Dict } from '../memory/dict.js'
import type { FrontRequest } from './request.js'

/** The index in the main list of who stands there; NaN where a change is just being written. */
export function indexOnRing(r: FrontRequest, table: Dict, upstream: string, key: string): number {
  const v = r.variables
  v.sluice_hash = textOf(r, key)
  const number = +(v.sluice_hash_slot as string) * SHARES + +(v.sluice_hash_share as string)
  const position = ((number * RING_POSITIONS) / DRAWS) | 0
  const chunk = (position / RING_CHUNK) | 0
  const text = table.get(upstream + '=' + chunk)
  const at = (position - chunk * RING_CHUNK) * 3
  return text === undefined ? NaN : parseInt(text.slice(at, at + 3), 36)
}

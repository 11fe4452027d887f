/** Where on the ring of a hash a request falls. */
import { RING_CHUNK, RING_POSITIONS } from '../../contract/table/rules.js'
import { DRAWS } from '../../contract/table/limits.js'
import { hashNumber } from '../choose/policy/hash-number.js'
import type { Dict } from '../memory/dict.js'
import type { FrontRequest } from './request.js'

/** The index in the main list of who stands there; NaN where a change is just being written. */
export function indexOnRing(r: FrontRequest, table: Dict, upstream: string, key: string): number {
  const position = ((hashNumber(r, key) * RING_POSITIONS) / DRAWS) | 0
  const chunk = (position / RING_CHUNK) | 0
  const text = table.get(upstream + '=' + chunk)
  const at = (position - chunk * RING_CHUNK) * 3
  return text === undefined ? NaN : parseInt(text.slice(at, at + 3), 36)
}

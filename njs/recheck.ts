/** Whether a pick still holds after the body was read: that may take long, and meanwhile an address can change hands. */
import { whoIs } from './choice.js'
import type { Dict } from './dict.js'
import { findUnit } from './lookup.js'
import type { Asked } from './lookup.js'

/** Whether the request's upstream still has this peer. One that drains since may finish what came before. */
export function isStillThere(table: Dict, asked: Asked, key: string, sid: string): boolean {
  return whoIs(table, findUnit(table, key, asked), sid) !== null
}

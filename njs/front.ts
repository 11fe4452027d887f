/** What the front's one read does not settle: a shared slot, a host with paths, a wildcard, an upstream with rules. */
import type { Dict, NumberDict } from './dict.js'
import { ruled } from './front-ruled.js'
import type { FrontRequest } from './front-ruled.js'
import { drawSid, findUnit } from './lookup.js'

/** `value` is what the read of `key` gave, '' for nothing. '' when the hop has to decide. */
export function pickSlowly(
  table: Dict,
  load: NumberDict,
  r: FrontRequest,
  key: string,
  value: string,
): string {
  let slotKey = key
  let found: string | undefined = value
  if (value === '') {
    const unit = findUnit(table, key, r)
    slotKey = unit + key.slice(key.lastIndexOf('/'))
    found = slotKey === key ? undefined : table.get(slotKey)
    if (found === undefined) {
      return ruled().pickFrom(table, load, r, key, unit)
    }
  }
  if (found > '/') {
    return found
  }
  // Neither a trial ('!') nor an upstream's choice ('$').
  return found > '"' && (found < '$' || found > '%')
    ? // Only asked for when it is needed: nginx draws it from a long list.
      drawSid(table, slotKey, found, Number(r.variables.sluice_share))
    : ruled().pickFromSlot(table, load, r, key, slotKey, found)
}

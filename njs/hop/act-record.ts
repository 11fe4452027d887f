/** The record of a request's route, where that acts. */
import { parseActionRecord } from '../../contract/table/action-record.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import { UnitKind } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import { findUnit } from '../table/lookup.js'
import type { HopState } from './state.js'

/** null where the route only chooses, or there is none. */
export function recordOf(h: HopState): ActionRecord | null {
  const table = zones.sluice_table
  const key = h.picked.key
  let unit = findUnit(table, key, h.r)
  let record = unit.charAt(0) === UnitKind.Action ? table.get(unit) : undefined
  if (record === undefined && unit.charAt(0) === UnitKind.Action) {
    // A change took it away between the two reads: its host leads to something else already.
    unit = findUnit(table, key, h.r)
    record = unit.charAt(0) === UnitKind.Action ? table.get(unit) : undefined
  }
  return record === undefined ? null : parseActionRecord(record.slice(Width.Digest))
}

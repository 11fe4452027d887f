/**
 * What the front's one read does not settle: a shared slot, a host with paths, a wildcard, an
 * upstream with rules.
 */
import { FOR_PATIENT_HOP } from '../../contract/table/action-lines.js'
import { SlotMark, UnitKind } from '../../contract/table/mark.js'
import { ACTING_LOCATION, HOP_LOCATION, PATIENT_LOCATION } from '../../contract/servers.js'
import { splitArms } from '../choose/split-arms.lazy.js'
import type { Dict, NumberDict } from '../memory/dict.js'
import { markedSlots } from './marked-slots.lazy.js'
import { changeHere } from './change-here.lazy.js'
import { pickByRules } from './pick-by-rules.lazy.js'
import type { FrontRequest } from './request.js'
import { drawSid, findUnit } from '../table/lookup.js'

const PATIENT_LINE = '\n' + FOR_PATIENT_HOP + '\n'

/** Where a request without a body goes on, for the route `&docs`. */
function forRoute(table: Dict, load: NumberDict, r: FrontRequest, unit: string): string {
  const record = table.get(unit)
  if (record === undefined) {
    // The table lost it a moment ago: the hop looks again.
    return HOP_LOCATION
  }
  const changed = changeHere()(table, r, unit, record, (slotKey, value) =>
    pick(table, load, r, slotKey, value, ''),
  )
  return changed || (record.indexOf(PATIENT_LINE) < 0 ? ACTING_LOCATION : PATIENT_LOCATION)
}

/**
 * `value` is what the read of `key` gave, '' for nothing. `known` is the unit that serves, '' where
 * it is to be found. A SID, or a kept slot; '' when the hop has to decide.
 */
function pick(
  table: Dict,
  load: NumberDict,
  r: FrontRequest,
  key: string,
  value: string,
  known: string,
): string {
  const v = r.variables
  let slotKey = key
  let found: string | undefined = value
  if (value === '') {
    const slash = key.lastIndexOf('/')
    let unit = known || findUnit(table, key, r)
    slotKey = unit + key.slice(slash)
    found = slotKey === key ? undefined : table.get(slotKey)
    if (found === undefined && unit.charAt(0) === UnitKind.Split) {
      const slot = Number(key.slice(slash + 1))
      const arm = splitArms().armOf(table, r, unit, slot, Number(v.sluice_share))
      // Only the hop can give a cookie.
      unit = arm.cookie === '' ? arm.upstream : ''
      slotKey = unit + key.slice(slash)
      found = unit === '' ? undefined : table.get(slotKey)
    } else if (found === undefined && unit.charAt(0) === UnitKind.Action) {
      v.sluice_onward = forRoute(table, load, r, unit)
    }
    if (found === undefined) {
      return unit.charAt(0) === UnitKind.Upstream ? pickByRules()(table, load, r, unit) : ''
    }
  }
  if (found > SlotMark.BelowSid || (found > SlotMark.Kept && found < SlotMark.AboveKept)) {
    return found
  }
  // Neither a trial nor an upstream whose rules choose.
  if (found >= SlotMark.Cells && (found < SlotMark.Ruled || found >= SlotMark.Shared)) {
    // Asked for only here: nginx draws it from a long list.
    return drawSid(table, slotKey, found, Number(v.sluice_share))
  }
  const chosen = markedSlots()(table, load, r, key, slotKey, found)
  return chosen.charAt(0) === UnitKind.Upstream ? pickByRules()(table, load, r, chosen) : chosen
}

export function pickSlowly(): typeof pick {
  return pick
}

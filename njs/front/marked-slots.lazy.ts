/** Slots that ask for a trial, and slots of a split that say whose rules choose. */
import { parseSlot } from '../../contract/table/table.js'
import { splitArms } from '../choose/split-arms.lazy.js'
import { whoIs } from '../choose/choice.js'
import type { Dict, NumberDict } from '../memory/dict.js'
import type { FrontRequest } from './request.js'
import { trialAndMeasure } from './trial-and-measure.lazy.js'
import { drawSid, findUnit } from '../table/lookup.js'

/** A SID; or `:web`, whose rules choose; '' when the hop has to. */
function readMarked(
  table: Dict,
  load: NumberDict,
  r: FrontRequest,
  key: string,
  slotKey: string,
  text: string,
): string {
  const slot = parseSlot(text)
  if (slot.trial !== '' && trialAndMeasure().isForTrial(load, r, slot.trial)) {
    return ''
  }
  const sid = drawSid(table, slotKey, slot.value, Number(r.variables.sluice_share))
  if (!slot.ruled) {
    return sid
  }
  const unit = findUnit(table, key, r)
  const known = whoIs(table, unit, sid)
  return splitArms().inSession(table, r, unit, known === null ? '' : known.upstream)
}

export function markedSlots(): typeof readMarked {
  return readMarked
}

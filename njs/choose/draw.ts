/** From a key of the table to the unit and slot that serve a request. */
import { UnitKind } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { SHARES } from '../../contract/table/limits.js'
import type { Dict } from '../memory/dict.js'
import { findUnit } from '../table/lookup.js'
import type { LookupRequest } from '../table/lookup-request.js'
import { splitArms } from './split-arms.lazy.js'
import type { ChosenArm } from './split-arms.lazy.js'

export interface Draw {
  /** `:web` or `~canary`, as the route names it. */
  unit: string
  slot: string
  /** 0 to 999. */
  share: number
  /** What a split without slots chose. */
  arm?: ChosenArm
}

/**
 * The share of try `nth`: it draws others of the peers that share a slot. 619 has no divisor in
 * common with SHARES.
 */
export function shareOfTry(share: number, nth: number): number {
  return (share + nth * 619) % SHARES
}

export function drawFor(table: Dict, request: LookupRequest, key: string): Draw {
  const slash = key.lastIndexOf('/')
  const slot = key.slice(slash + 1)
  const share = Number(request.variables.sluice_share)
  const found = findUnit(table, key, request)
  // `~canary:next`: a route that acts has chosen the arm.
  const colon = found.charAt(0) === UnitKind.Split ? found.indexOf(':') : -1
  if (colon > 0) {
    const chosen = { upstream: found.slice(colon), cookie: '' }
    return { unit: found.slice(0, colon), slot: slot, share: share, arm: chosen }
  }
  const unit = servingUnit(table, found)
  const isChosen =
    unit.charAt(0) === UnitKind.Split && table.get(unit + key.slice(slash)) === undefined
  const draw: Draw = { unit: unit, slot: slot, share: share }
  if (isChosen) {
    draw.arm = splitArms().armOf(table, request, unit, Number(slot), share)
  }
  return draw
}

/**
 * Who serves what the route `&docs` does not answer itself, '' for nobody; other units serve
 * themselves.
 */
function servingUnit(table: Dict, unit: string): string {
  const record = unit.charAt(0) === UnitKind.Action ? table.get(unit) : undefined
  if (record === undefined) {
    return unit
  }
  const target = record.slice(Width.Digest, record.indexOf(' ', Width.Digest))
  return target === '-' ? '' : target
}

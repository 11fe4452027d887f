/** Whether a peer is chosen by nothing that a route may change. */
import { UnitKind } from '../../contract/table/mark.js'
import type { Dict } from '../memory/dict.js'
import { rulesOf } from '../table/peers.js'

/** `target`: `:web`; of all others the hop chooses. */
export function samePick(table: Dict, target: string): boolean {
  const rules = target.charAt(0) === UnitKind.Upstream ? rulesOf(table, target) : null
  return rules === null
    ? target.charAt(0) === UnitKind.Upstream
    : rules.key === '' && rules.sticky === ''
}

/** Whether the pool has the peers, and nothing that a route may change chooses among them. */
import { UnitKind } from '../../contract/table/mark.js'
import type { Dict } from '../memory/dict.js'
import { rulesOf } from '../table/peers.js'

/** `target`: `:web`; of all others the hop chooses. */
export function samePick(table: Dict, target: string): boolean {
  if (target.charAt(0) !== UnitKind.Upstream) {
    return false
  }
  const rules = rulesOf(table, target)
  return (
    rules === null ||
    (rules.key === '' && rules.sticky === '' && rules.tls === '' && rules.protocol === '')
  )
}

/** Where the text that a policy hashes falls. */
import { SHARES } from '../../../contract/table/limits.js'
import { textOf } from '../../../contract/table/text-of.js'
import type { LookupRequest } from '../../table/lookup-request.js'

/**
 * One of DRAWS numbers, for the text that `key` names. nginx hashes it: `split_clients` over
 * `$sluice_hash` draws as `$sluice_slot` and `$sluice_share` do.
 */
export function hashNumber(request: LookupRequest, key: string): number {
  const v = request.variables
  v.sluice_hash = textOf(request, key)
  return +(v.sluice_hash_slot as string) * SHARES + +(v.sluice_hash_share as string)
}

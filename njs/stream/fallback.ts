/**
 * What serves connections while nobody has filled the table: what the controller left on disk
 * (controller/fallback/stream-fallback.ts).
 */
import { STATE_KEY, parseState } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'

/**
 * The upstream{} for `@tcp*9100`, or NOBODY; '' where nothing is known of it, or the table is to
 * say.
 */
export function streamFallback(s: NginxStreamRequest, unit: string): string {
  const table = zones.sluice_table
  if (parseState(table.get(STATE_KEY)).whole || table.get(unit) !== undefined) {
    return ''
  }
  const v = s.variables
  v.sluice_unit = unit.slice(1)
  return v.sluice_fallback || ''
}

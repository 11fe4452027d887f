/**
 * The peer of a connection to a plain route, as nearly all are: one upstream without rules, of
 * which no peer is asked first, because there is no other. All else is in stream-calls.lazy.ts,
 * so that these connections do not pay for it.
 */
import { SlotMark } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'
import { zones } from '../memory/dict.js'
import { countForDrain } from '../memory/count-for-drain.js'
import { lineOf, linesFor } from '../table/peer-line.js'

/** What the record of a port or name holds that has one untuned route to one upstream. */
const ROUTE = '/ '
/** Rules that are none but for this: nobody is asked first. */
const ONE_TRY = 'n 0 0 tries=1'

/**
 * `<sid> <address> <id> <flags>` of the peer that the slot names; '' for all that `streamCalls`
 * has to look at.
 */
function plainLine(s: NginxStreamRequest, table: Dict, key: string): string {
  const slash = key.lastIndexOf('/')
  const host = table.get(key.slice(0, slash)) || ''
  const unit = host.slice(Width.Digest + ROUTE.length)
  if (unit < ':' || unit > ';' || !host.startsWith(ROUTE, Width.Digest)) {
    return ''
  }
  // Several lines are no unit's name.
  const record = table.get(unit) || ''
  const sid = table.get(unit + key.slice(slash)) || ''
  if (record === '' || sid < SlotMark.BelowSid) {
    return ''
  }
  const space = record.indexOf(' ', Width.Digest)
  const isOnce = space > 0 && record.slice(space + 1) === ONE_TRY
  if (space > 0 && !isOnce) {
    return ''
  }
  const lines = linesFor(table, unit, record, sid)
  const isAlone = record.slice(Width.Digest) === '1' && lines.indexOf('\n') < 0
  return isOnce || isAlone || s.variables.protocol !== 'TCP' ? lineOf(lines, sid) : ''
}

/**
 * Allows a plain connection; false for any other, of which nothing has happened. `key`:
 * `@tcp*9100/7`.
 */
export function allowPlain(s: NginxStreamRequest, key: string): boolean {
  try {
    const parts = plainLine(s, zones.sluice_table, key).split(' ')
    if (parts.length < 4 || (parts[3] as string) < 'u') {
      return false
    }
    countForDrain(parts[0] as string)
    s.variables.sluice_peer = parts[1]
  } catch (error) {
    // What threw here throws in the lazy group too, which logs it.
    return false
  }
  s.allow()
  return true
}

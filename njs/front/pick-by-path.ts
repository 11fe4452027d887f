/** The pick for a host with a few paths, and for upstreams whose rules name only a balance. */
import { SlotMark, UnitKind } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import type { Dict } from '../memory/dict.js'
import { quickPick } from './quick-pick.lazy.js'
import { pickOrMoment } from './pick-or-moment.lazy.js'
import type { FrontRequest } from './request.js'

/**
 * The SID, or a kept slot, for a request for whose key the table has nothing; '' when the hop has
 * to decide. What takes a closer look is left to `pickOrMoment`: wildcards, lines in chunks, a
 * path that may be read in two ways, slots with marks, other rules, and names by which a client
 * might reach the key of a pattern or of a note.
 *
 * On the njs engine a call of a method costs as much as four comparisons, and a function costs
 * every request. So this is one function and calls few.
 */
export function pickByPath(r: NginxHTTPRequest & FrontRequest, table: Dict, key: string): string {
  const slash = key.lastIndexOf('/')
  let unit = key < UnitKind.Upstream ? '' : key.slice(0, slash)
  if (unit > UnitKind.Host && unit < 'A') {
    const last = unit > '@*' && unit < '@+' ? '*' : key.slice(slash - 1, slash)
    const lines = last === '*' || last === '+' ? '' : table.get(unit) || ''
    const path = r.uri
    unit = ''
    let hasBorder = true
    let at: number = Width.Digest
    let space = lines.indexOf(' ', at)
    while (space > 0) {
      const prefix = lines.slice(at, space)
      const end = lines.indexOf('\n', space)
      const isAll = prefix === '/'
      hasBorder = hasBorder && !(isAll && at === Width.Digest)
      if (isAll || path === prefix || (path > prefix && path.startsWith(prefix + '/'))) {
        unit = end < 0 ? lines.slice(space + 1) : lines.slice(space + 1, end)
        unit = unit.indexOf('\t') < 0 ? unit : quickPick().unitIf(unit, r)
      }
      at = end + 1
      space = end < 0 || unit !== '' ? -1 : lines.indexOf(' ', at)
    }
    if (hasBorder) {
      const target = r.variables.request_uri as string
      unit = target.indexOf('..') >= 0 || target.indexOf('%2') >= 0 ? '' : unit
    }
  }
  if (unit > UnitKind.Upstream && unit < ';') {
    const slotKey = unit + key.slice(slash)
    const value = slotKey === key ? undefined : table.get(slotKey)
    const sid = value === undefined ? quickPick().byPlainRules(r, zones, unit) : value
    if (sid > SlotMark.BelowSid || (sid > SlotMark.Kept && sid < SlotMark.AboveKept)) {
      return sid
    }
    unit = sid > SlotMark.Uncounted && value === undefined ? sid : unit
  }
  return pickOrMoment(r, '', key, unit)
}

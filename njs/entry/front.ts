/**
 * The front: what runs for every request. On the njs engine all of a module's top level runs again
 * for each request, and a property of an export costs as much as a read of the dict. So one
 * function stands here, front/pick-by-path.ts has what many hosts need,
 * front/pick-or-moment.lazy.ts the rest.
 */
import { SlotMark } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { KEPT_LOCATION } from '../../contract/servers.js'
import { zones } from '../memory/dict.js'
import { pickByPath } from '../front/pick-by-path.js'
import { pickOrMoment } from '../front/pick-or-moment.lazy.js'

const table = zones.sluice_table

/**
 * `$sluice_sid`: the peer's SID, or '' when the hop has to decide. Where the table has nothing the
 * value is undefined, and no comparison with that holds. Text is compared, because a comparison
 * costs a tenth of asking for a length; a share has three digits, as the thresholds have. What is
 * less simple is guarded in `pickOrMoment`: to it goes what throws elsewhere.
 */
function sid(r: NginxHTTPRequest): string {
  const key = r.variables.sluice_key as string
  let value = table.get(key) as string
  if (value > SlotMark.BelowSid) {
    return value
  }
  if (value >= SlotMark.Shared && value < SlotMark.BelowSid) {
    const share = r.variables.sluice_share as string
    let at = 1
    while (at + Width.Share < value.length && value.slice(at, at + 3) <= share) {
      at += Width.Share
    }
    return value.slice(at + 3, at + Width.Share)
  }
  if (value === undefined) {
    try {
      value = pickByPath(r, table, key)
    } catch (error) {
      value = pickOrMoment(r, '', key, '')
    }
  } else if (value < SlotMark.Kept || value > SlotMark.AboveKept) {
    value = pickOrMoment(r, value, key, '')
  }
  // What is picked here is for a location of its own, and nothing for the pool.
  if (value > SlotMark.Kept && value < SlotMark.AboveKept) {
    const v = r.variables
    const way = value.indexOf(' ') + 1
    const name = value.indexOf(' ', way) + 1
    let at = 1
    if (value < SlotMark.KeptOne) {
      const share = v.sluice_share as string
      at = 2
      while (at + Width.Share < way && value.slice(at, at + 3) <= share) {
        at += Width.Share
      }
      at += 3
    }
    v.sluice_kept_sid = value.slice(at, at + Width.Sid)
    v.sluice_tls_name = value.slice(name)
    v.sluice_onward = KEPT_LOCATION + value.slice(way, name - 1)
    return ''
  }
  return value
}

/** All else that nginx asks of the front. */
sid.more = pickOrMoment

export default sid

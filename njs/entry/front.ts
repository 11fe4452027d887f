/**
 * The front: what runs for every request. On the njs engine all of a module's top level runs again for each of them, and a
 * property of what it exports costs as much as the dict's `get`; so one function stands here, and `rare` holds the others.
 */
import { SHARE_LENGTH } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import { rare } from '../front/front-rare.js'

const table = zones.sluice_table

/**
 * `$sluice_sid`: the peer's SID, or '' when the hop has to decide. Only a SID begins with '0' or above, only a slot that a few
 * share with '*', and undefined is above nothing. To compare text costs a tenth of asking for a length, and the shares have
 * three digits, as the thresholds have. None of this can throw; what is not so simple is guarded in `rare`.
 */
function sid(r: NginxHTTPRequest): string {
  const value = table.get(r.variables.sluice_key as string) as string
  if (value > '/') {
    return value
  }
  if (value > '*' && value < '+') {
    const share = r.variables.sluice_share as string
    let at = 1
    while (at + SHARE_LENGTH < value.length && value.slice(at, at + 3) <= share) {
      at += SHARE_LENGTH
    }
    return value.slice(at + 3, at + SHARE_LENGTH)
  }
  return rare(r, value === undefined ? '' : value)
}

/** `$sluice_recheck` and `$sluice_log`. */
sid.more = rare

export default sid

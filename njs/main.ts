/**
 * The front: what runs for every request. On the njs engine all of a module's top level runs again for each of them, and a
 * property of what it exports costs as much as the dict's `get`; so one function stands here, and `rare` holds the others.
 */
import { zones } from './dict.js'
import { rare } from './rare.js'

const table = zones.sluice_table

/**
 * `$sluice_sid`: the peer's SID, or '' when the hop has to decide. A shared slot's value begins below '0', and a missing one
 * is above nothing. Neither read can throw; what is not so simple is guarded in `rare`.
 */
function sid(r: NginxHTTPRequest): string {
  const value = table.get(r.variables.sluice_key as string)
  return (value as string) > '/' ? (value as string) : rare()(r, value)
}

/** `$sluice_recheck` and `$sluice_log`. */
sid.more = rare

export default sid

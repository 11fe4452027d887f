/**
 * The front: what runs for every request. The njs engine runs a module's top level again for each of them, so only the
 * functions of the usual case stand here; `rare` holds the others.
 */
import { SID_LENGTH } from '../contract/table.js'
import { zones } from './dict.js'
import { rare } from './rare.js'

const table = zones.sluice_table

/** `$sluice_draw`: the peer's SID, or '' when the hop has to decide. Never throws. */
function sid(r: NginxHTTPRequest): string {
  try {
    const key = r.variables.sluice_key as string
    const value = table.get(key)
    return value !== undefined && value.length === SID_LENGTH
      ? value
      : rare().pickSlowly(table, r, key, value)
  } catch (error) {
    rare().countFailure(zones.sluice_counter, 'the pick', error, r)
    return ''
  }
}

/**
 * `$sluice_recheck`, always '': forgets `$sluice_sid` when the upstream has lost that peer while the request's body came.
 * The address may be another upstream's by now; without a SID the hop decides anew. Never throws.
 */
function recheck(r: NginxHTTPRequest): string {
  const v = r.variables
  try {
    const picked = v.sluice_sid as string
    if (picked !== '' && !rare().isStillThere(table, r, v.sluice_key as string, picked)) {
      v.sluice_sid = ''
    }
  } catch (error) {
    rare().countFailure(zones.sluice_counter, 'the second look', error, r)
    v.sluice_sid = ''
  }
  return ''
}

/** `$sluice_log`: `<upstream> <instance> <tries>`. Never throws. */
function log(r: NginxHTTPRequest): string {
  try {
    return rare().describe(table, r)
  } catch (error) {
    rare().countFailure(zones.sluice_counter, 'the report', error, r)
    return '- - 0'
  }
}

export default { sid, recheck, log }

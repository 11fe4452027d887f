/**
 * What the front seldom needs. The njs engine makes a module's functions anew for each request, called or not; so the build
 * (scripts/build.mjs) puts all that this file imports inside `rare`, where it costs only those who call it.
 */
import { countFailure } from './count.js'
import { zones } from './dict.js'
import { pickSlowly } from './front.js'
import { isStillThere } from './recheck.js'
import { describe } from './report.js'

/** The SID for a request whose key has no SID of its own in the table. Never throws. */
function pick(r: NginxHTTPRequest, value: string | undefined): string {
  try {
    const key = r.variables.sluice_key as string
    return pickSlowly(zones.sluice_table, zones.sluice_load, r, key, value)
  } catch (error) {
    countFailure(zones.sluice_counter, 'the pick', error, r)
    return ''
  }
}

/**
 * Forgets `$sluice_sid` when the upstream has lost that peer while the request's body came. The address may be another
 * upstream's by now; without a SID the hop decides anew.
 */
function recheck(r: NginxHTTPRequest): void {
  const v = r.variables
  try {
    const picked = v.sluice_sid as string
    if (picked !== '' && !isStillThere(zones.sluice_table, r, v.sluice_key as string, picked)) {
      v.sluice_sid = ''
    }
  } catch (error) {
    countFailure(zones.sluice_counter, 'the second look', error, r)
    v.sluice_sid = ''
  }
}

/**
 * `$sluice_recheck`, whose text is dropped, and `$sluice_log`, `<upstream> <instance> <tries>`: one function for both, because
 * a second one would cost every request. Before anybody was asked there is nothing to report, and afterwards nothing to
 * check; before limit_conn counted, there is no pick. Never throws.
 */
function tell(r: NginxHTTPRequest): string {
  const v = r.variables
  if (!v.upstream_addr && v.limit_conn_status) {
    recheck(r)
  }
  try {
    return describe(zones.sluice_table, r)
  } catch (error) {
    countFailure(zones.sluice_counter, 'the report', error, r)
    return '- - 0'
  }
}

export function rare(): typeof pick
export function rare(r: NginxHTTPRequest): string
export function rare(r?: NginxHTTPRequest): typeof pick | string {
  return r === undefined ? pick : tell(r)
}

/** Where a request went, for the log; whether its pick still holds; and what failed. */
import { whoIs } from '../choose/choice.js'
import { countFailure } from '../memory/count.js'
import { zones } from '../memory/dict.js'
import { findUnit } from '../table/lookup.js'
import { describeRequest } from '../table/request-report.js'

export interface RecheckAndLog {
  recheckOrReport: typeof recheckOrReport
  fail: typeof fail
}

function fail(what: string, error: unknown, r: NginxHTTPRequest): void {
  countFailure(zones.sluice_counter, what, error, r)
}

/**
 * Forgets `$sluice_sid` when the upstream has lost that peer while the request's body came. The
 * address may be another upstream's by now; without a SID the hop decides anew. One that drains
 * since may finish what came before.
 */
function recheck(r: NginxHTTPRequest): void {
  const v = r.variables
  const table = zones.sluice_table
  try {
    const picked = v.sluice_sid as string
    const unit = picked === '' ? '' : findUnit(table, v.sluice_key as string, r)
    if (picked !== '' && whoIs(table, unit, picked) === null) {
      v.sluice_sid = ''
    }
  } catch (error) {
    fail('the second look', error, r)
    v.sluice_sid = ''
  }
}

/**
 * `$sluice_recheck`, whose text is dropped, and `$sluice_log`, `<upstream> <instance> <tries>`:
 * one function for both, because a second one would cost every request. Before anybody was asked
 * there is nothing to report, and afterwards nothing to check; before limit_conn counted, there
 * is no pick. Never throws.
 */
function recheckOrReport(r: NginxHTTPRequest): string {
  const v = r.variables
  if (!v.upstream_addr && v.limit_conn_status) {
    recheck(r)
  }
  try {
    return describeRequest(zones.sluice_table, r)
  } catch (error) {
    fail('the report', error, r)
    return '- - 0'
  }
}

export function recheckAndLog(): RecheckAndLog {
  return { recheckOrReport: recheckOrReport, fail: fail }
}

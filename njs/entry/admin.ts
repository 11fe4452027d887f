/**
 * The admin endpoint, as nginx's locations name it (contract/push.ts is the protocol). What stands
 * outside of functions is made anew for each call, so calls stand in groups of their own.
 */
import { deltaCall } from '../admin/delta-call.lazy.js'
import { adminCalls } from '../admin/admin-calls.lazy.js'

function delta(r: NginxHTTPRequest): void {
  deltaCall()(r)
}

/** The location's `limit_conn` has judged already. */
function probe(r: NginxHTTPRequest): void {
  r.return(200, r.variables.limit_conn_status === 'REJECTED_DRY_RUN' ? '1' : '0')
}

function call(r: NginxHTTPRequest): void {
  adminCalls().call(r)
}

function tooLarge(r: NginxHTTPRequest): void {
  adminCalls().tooLarge(r)
}

export default { delta, probe, call, tooLarge }

/**
 * `$sluice_way`: whether a TLS connection is passed through or terminated. A module of its own, imported only in the server that asks,
 * because every connection to the HTTPS port pays for all of what is imported there.
 */
import { PASSED_NAME } from '../contract/zones.js'
import { zones } from './dict.js'
import { findPassed } from './passed.js'

/** The name of the socket that it is handed on to, after nginx looked into it. */
function way(s: NginxStreamRequest): string {
  const name = s.variables.ssl_preread_server_name || ''
  return findPassed(zones.sluice_table, PASSED_NAME, name) === '' ? 'https' : 'pass'
}

export default way

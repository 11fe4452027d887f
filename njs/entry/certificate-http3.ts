/**
 * `$sluice_certificate` where TLS may be passed through and HTTP/3 is spoken too. HTTP/3 comes to
 * `http{}` without passing stream{}, which passes TLS through by name. So a client that asks for a
 * name that is passed through gets no certificate here, and nginx ends the handshake. One that has
 * a connection already, or resumes one, is answered 421. Both then come over TCP.
 */
import { SNI_PREFIX } from '../../contract/table/mark.js'
import certificate from './certificate.js'
import { zones } from '../memory/dict.js'
import { findSniUnit } from '../stream/sni-lookup.js'

/** Never throws. */
function isPassedThrough(name: string | undefined): boolean {
  try {
    return findSniUnit(zones.sluice_table, SNI_PREFIX, name || '') !== ''
  } catch (error) {
    return false
  }
}

function shown(r: NginxHTTPRequest): string {
  const v = r.variables
  return v.sluice_over_quic !== '' && isPassedThrough(v.ssl_server_name) ? '' : certificate(r)
}

/** `$sluice_passed_through`: 1 where the host that a request names is passed through. */
shown.passedThrough = function (r: NginxHTTPRequest): string {
  return isPassedThrough(r.variables.host) ? '1' : ''
}

export default shown

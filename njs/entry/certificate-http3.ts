/**
 * `$sluice_certificate` where TLS may be passed through and HTTP/3 is spoken too: that comes to nginx's `http{}` past stream{}, which passes
 * through by name, and whose instances speak no QUIC here. So whoever asks for such a name gets no certificate, and nginx ends the
 * handshake; a client that has a connection already, or resumes one, is told to go elsewhere. Both then come over TCP.
 */
import { PASSED_NAME } from '../../contract/table/zones.js'
import certificate from './certificate.js'
import { zones } from '../memory/dict.js'
import { findPassed } from '../stream/sni-lookup.js'

/** Never throws. */
function isPassed(name: string | undefined): boolean {
  try {
    return findPassed(zones.sluice_table, PASSED_NAME, name || '') !== ''
  } catch (error) {
    return false
  }
}

function shown(r: NginxHTTPRequest): string {
  const v = r.variables
  return v.sluice_over_quic !== '' && isPassed(v.ssl_server_name) ? '' : certificate(r)
}

/** `$sluice_passed`: 1 where the host that a request names is passed through. */
shown.passed = function (r: NginxHTTPRequest): string {
  return isPassed(r.variables.host) ? '1' : ''
}

export default shown

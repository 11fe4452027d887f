/**
 * `$sluice_certificate` where TLS may be passed through and HTTP/3 is spoken too: that comes to
 * nginx's `http{}` past stream{}, which passes through by name, and whose instances speak no QUIC
 * here. So whoever asks for such a name gets no certificate, and nginx ends the handshake; a
 * client that has a connection already, or resumes one, is sent elsewhere. Both then come
 * over TCP.
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

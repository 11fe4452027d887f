/** What is shown to a peer of the kept pool: asked for only when a connection is made. */
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { certificateFor } from '../table/peer-certificate.js'

/**
 * `$sluice_shown_certificate`: `data:<PEM>` of the certificate whose id stands behind the name in
 * `$sluice_tls_name`. Where it has left the table meanwhile it is no certificate, by which nginx
 * ends the try: the peer would take us for somebody else.
 */
function certificate(r: NginxHTTPRequest): string {
  const table = zones.sluice_table
  try {
    const asked = r.variables.sluice_tls_name as string
    const id = asked.slice(asked.indexOf(' ') + 1)
    return 'data:' + certificateFor(id, table)
  } catch (error) {
    countFailure(zones.sluice_counter, 'the kept pool', error, r)
    return 'data:-'
  }
}

export default certificate

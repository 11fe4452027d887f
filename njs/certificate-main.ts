/**
 * `$sluice_certificate`: what a TLS client is shown, chain and key in one text. A module of its own, imported only in the
 * servers that speak TLS, so that others do not pay for it.
 */
import { zones } from './dict.js'

/** A name of DNS is no longer. */
const MOST_NAME_LENGTH = 253

/** Exact, then the wildcard that covers one label, then the default of the table, then this home's own. Never throws. */
function certificate(r: NginxHTTPRequest): string {
  const v = r.variables
  const own = v.sluice_own_certificate as string
  try {
    const table = zones.sluice_table
    const asked = v.ssl_server_name
    let found: string | undefined
    if (asked !== undefined && asked !== '' && asked.length <= MOST_NAME_LENGTH) {
      const name = asked.toLowerCase()
      found = table.get('^' + name)
      const dot = name.indexOf('.')
      if (found === undefined && dot > 0) {
        found = table.get('^*' + name.slice(dot))
      }
    }
    if (found === undefined) {
      found = table.get('^*')
    }
    return found === undefined ? own : found
  } catch (error) {
    return own
  }
}

export default certificate

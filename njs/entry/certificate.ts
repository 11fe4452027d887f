/**
 * `$sluice_certificate`: what a TLS client is shown, chain and key in one text. A module of its
 * own, imported only in the servers that speak TLS, so that others do not pay for it.
 */
import { UnitKind } from '../../contract/table/mark.js'
import { isHost } from '../../contract/guard/names.js'
import { STATE_KEY, parseState } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import type { Dict } from '../memory/dict.js'

/**
 * Exact, then the wildcard that covers one label, then the default. A name that is no host's is
 * looked up nowhere: `=gateway` is the key of a certificate that only instances are shown.
 */
function find(table: Dict, asked: string | undefined): string | undefined {
  const name = (asked || '').toLowerCase()
  let found: string | undefined
  if (isHost(name)) {
    found = table.get(UnitKind.Certificate + name)
    const dot = name.indexOf('.')
    if (found === undefined && dot > 0) {
      found = table.get('^*' + name.slice(dot))
    }
  }
  return found === undefined ? table.get('^*') : found
}

/**
 * From the table; else, while nobody has filled the table yet, from the fallback; else this home's
 * own. Never throws.
 */
function certificate(r: NginxHTTPRequest): string {
  const v = r.variables
  const own = v.sluice_own_certificate as string
  try {
    const table = zones.sluice_table
    const found = find(table, v.ssl_server_name)
    if (found !== undefined) {
      return found
    }
    const isWhole = parseState(table.get(STATE_KEY)).whole
    return (!isWhole && v.sluice_kept_certificate) || own
  } catch (error) {
    return own
  }
}

export default certificate

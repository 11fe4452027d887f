/**
 * `$sluice_certificate`: what a TLS client is shown, chain and key in one text. A module of its own, imported only in the
 * servers that speak TLS, so that others do not pay for it.
 */
import { STATE_KEY, parseState } from '../contract/table.js'
import { zones } from './dict.js'

/** A name of DNS is no longer. */
const MOST_NAME_LENGTH = 253

/** What the fallback keeps for a name, for when the table cannot say: nginx was started, and no controller has filled it yet. */
function kept(v: NginxVariables, name: string): string | undefined {
  v.sluice_kept_name = name
  return v.sluice_kept_certificate || undefined
}

/** Exact, then the wildcard that covers one label, then the default. */
function find(asked: string | undefined, read: (name: string) => string | undefined) {
  let found: string | undefined
  if (asked !== undefined && asked !== '' && asked.length <= MOST_NAME_LENGTH) {
    const name = asked.toLowerCase()
    found = read('^' + name)
    const dot = name.indexOf('.')
    if (found === undefined && dot > 0) {
      found = read('^*' + name.slice(dot))
    }
  }
  return found === undefined ? read('^*') : found
}

/** From the table, else from the fallback, else this home's own. Never throws. */
function certificate(r: NginxHTTPRequest): string {
  const v = r.variables
  const own = v.sluice_own_certificate as string
  try {
    const table = zones.sluice_table
    const asked = v.ssl_server_name
    let found = find(asked, (name) => table.get(name))
    if (found === undefined && !parseState(table.get(STATE_KEY)).whole) {
      found = find(asked, (name) => kept(v, name))
    }
    return found === undefined ? own : found
  } catch (error) {
    return own
  }
}

export default certificate

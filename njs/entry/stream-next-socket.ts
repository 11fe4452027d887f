/**
 * Names the socket that a connection goes on to, at the HTTPS port (`tls`) and at a tuned port
 * (`port`). A module of its own, imported only in the servers that ask, because each of their
 * connections pays for all of what is imported there.
 */
import { isHost } from '../../contract/guard/names.js'
import { SNI_PREFIX, UnitKind } from '../../contract/table/mark.js'
import { zones } from '../memory/dict.js'
import { cameTo, handOff, handOffByTuning } from '../stream/handoff.js'
import { findSniUnit } from '../stream/sni-lookup.js'
import { streamFallback } from '../stream/fallback.js'

/** `$sluice_tls_socket`: TLS is passed through or terminated, by the name that nginx has read. */
function tls(s: NginxStreamRequest): string {
  const name = (s.variables.ssl_preread_server_name || '').toLowerCase()
  const unit = findSniUnit(zones.sluice_table, SNI_PREFIX, name)
  if (unit !== '') {
    return handOffByTuning(s, unit, () => cameTo(s))
  }
  const asked = UnitKind.Host + SNI_PREFIX + name
  if (!isHost(name) || streamFallback(s, asked) === '') {
    return 'https'
  }
  handOff(s, asked)
  return 'untuned'
}

/**
 * `$sluice_port_socket`. Where the port has names, the client has to speak first: then
 * stream-sni-socket.ts names the next socket.
 */
function port(s: NginxStreamRequest): string {
  const own = s.variables.server_port as string
  const unit = UnitKind.Host + 'tcp*' + own
  if (zones.sluice_table.get(UnitKind.Host + own + '*') === undefined) {
    return handOffByTuning(s, unit, () => cameTo(s))
  }
  handOff(s, unit + cameTo(s))
  return 'sni'
}

export default { tls, port }

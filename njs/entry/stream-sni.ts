/**
 * Connections to a tuned port that has names, handed off by `stream-route`: the name that the
 * client asks for says to which server each goes on. The HTTPS port's names are looked up in
 * `stream-route` (`tls`), those of untuned ports in `stream` (`pickByName`). A module of its own,
 * so that connections without names do not pay for it.
 */
import { whenNameRead } from '../stream/read-sni.js'
import { zones } from '../memory/dict.js'
import { handOffByTuning, receive } from '../stream/handoff.js'
import { findSniUnit } from '../stream/sni-lookup.js'

/**
 * `$sluice_sni_socket`: the server for the unit of that name, or for the port's own unit.
 */
function routeByName(s: NginxStreamRequest): void {
  const message = receive(s)
  const space = message.indexOf(' ')
  const own = message.slice(0, space)
  const before = own.slice(own.indexOf('*') + 1) + '*'
  whenNameRead(s, (name) => {
    const unit = findSniUnit(zones.sluice_table, before, name) || own
    s.variables.sluice_sni_socket = handOffByTuning(s, unit, () => message.slice(space))
    s.allow()
  })
}

export default routeByName

/**
 * `sni.sock`, where connections to a tuned port that has names go on: names their next socket, by
 * the name that the client asks for. For the HTTPS port nginx itself reads the name
 * (stream-next-socket.ts); an untuned port needs no other server (stream.ts). A module of its own,
 * so that connections without names do not pay for it.
 */
import { whenNameRead } from '../stream/read-sni.js'
import { zones } from '../memory/dict.js'
import { handOffByTuning, receive } from '../stream/handoff.js'
import { findSniUnit } from '../stream/sni-lookup.js'

/** `$sluice_sni_socket`: for the unit of that name, or the port's own unit. */
function nameSocket(s: NginxStreamRequest): void {
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

export default nameSocket

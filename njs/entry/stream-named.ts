/**
 * A connection to a port that has names, which another server handed on: which of them the client
 * asks for. A module of its own, so that connections without names do not pay for it.
 */
import { whenNamed } from '../stream/read-sni.js'
import { zones } from '../memory/dict.js'
import { handOffTuned, receive } from '../stream/handoff.js'
import { findSniUnit } from '../stream/sni-lookup.js'

/** Hands on to the unit of the name that the client asks for, or to the port's own. */
function named(s: NginxStreamRequest): void {
  const message = receive(s)
  const space = message.indexOf(' ')
  const own = message.slice(0, space)
  const before = own.slice(own.indexOf('*') + 1) + '*'
  whenNamed(s, (name) => {
    const unit = findSniUnit(zones.sluice_table, before, name) || own
    s.variables.sluice_named = handOffTuned(s, unit, () => message.slice(space))
    s.allow()
  })
}

export default named

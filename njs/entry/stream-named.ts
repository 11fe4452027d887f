/**
 * A connection to a port that has names, which another server handed on: which of them the client asks for. A module of its own, so that
 * connections without names do not pay for it.
 */
import { whenNamed } from '../stream/read-sni.js'
import { zones } from '../memory/dict.js'
import { handTuned, takeHanded } from '../stream/handoff.js'
import { findPassed } from '../stream/sni-lookup.js'

/** Of a client that asks for one of the names, that name's unit is told, of others the port's own. */
function named(s: NginxStreamRequest): void {
  const told = takeHanded(s)
  const space = told.indexOf(' ')
  const own = told.slice(0, space)
  const before = own.slice(own.indexOf('*') + 1) + '*'
  whenNamed(s, (name) => {
    const unit = findPassed(zones.sluice_table, before, name) || own
    s.variables.sluice_named = handTuned(s, unit, () => told.slice(space))
    s.allow()
  })
}

export default named

/**
 * A connection to a port that has names, which another server handed on: which of them the client asks for. A module of its own, so that
 * connections without names do not pay for it.
 */
import { nameIn } from './client-hello.js'
import { zones } from './dict.js'
import { hand, takeHanded } from './handed.js'
import { findPassed } from './passed.js'

/** `@9100*app.example.com` for a client that asks for this name; the port's own unit for others. */
function named(s: NginxStreamRequest): void {
  const own = takeHanded(s)
  s.on('upstream', (data) => {
    let name: string | null = ''
    try {
      name = nameIn(data)
    } catch (error) {
      // Not TLS, so without a name.
    }
    if (name !== null) {
      s.off('upstream')
      hand(s, findPassed(zones.sluice_table, own.slice(own.indexOf('*') + 1) + '*', name) || own)
      s.allow()
    }
  })
}

export default named

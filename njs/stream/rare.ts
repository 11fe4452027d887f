/** What few connections to the ports of routes need. Put inside `rest` by the build (scripts/build.mjs). */
import { zones } from '../memory/dict.js'
import { findPassed } from './sni-lookup.js'
import { serve } from './serve.js'
import { whenNamed } from './read-sni.js'

export interface Rest {
  serve: typeof serve
  named: typeof named
}

/** Waits for what a TLS client says first, and serves the unit of the name that it asks for, or the port's own. */
function named(s: NginxStreamRequest): void {
  const v = s.variables
  const port = v.server_port as string
  whenNamed(s, (name) => {
    const unit = findPassed(zones.sluice_table, port + '*', name) || '@tcp*' + port
    void serve(s, unit + '/' + (v.sluice_slot as string))
  })
}

export function rest(): Rest {
  return { serve: serve, named: named }
}

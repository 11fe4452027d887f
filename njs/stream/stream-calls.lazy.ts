/** What serves connections to the ports of routes whose answer is not ready (ready.ts). */
import { zones } from '../memory/dict.js'
import { findSniUnit } from './sni-lookup.js'
import { serve } from './serve.js'
import { whenNameRead } from './read-sni.js'

export interface StreamCalls {
  serve: typeof serve
  serveByName: typeof serveByName
}

/**
 * Waits for what a TLS client says first, and serves the unit of the name that it asks for, or
 * the port's own.
 */
function serveByName(s: NginxStreamRequest, bySeat: boolean): void {
  const v = s.variables
  const port = v.server_port as string
  whenNameRead(s, (name) => {
    const unit = findSniUnit(zones.sluice_table, port + '*', name) || '@tcp*' + port
    void serve(s, unit + '/' + (v.sluice_slot as string), '', bySeat)
  })
}

export function streamCalls(): StreamCalls {
  return { serve: serve, serveByName: serveByName }
}

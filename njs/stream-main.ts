/** Connections to the ports of routes. */
import { zones } from './dict.js'
import { findPassed } from './passed.js'
import { serve } from './stream-serve.js'
import { whenNamed } from './when-named.js'

/** Before anything of the client's is read; where a port has names, what the client says comes first (`named`). */
async function pick(s: NginxStreamRequest): Promise<void> {
  const v = s.variables
  if (v.protocol === 'TCP' && zones.sluice_table.get('@' + v.server_port + '*') !== undefined) {
    s.allow()
    return
  }
  await serve(s, v.sluice_key as string)
}

/** Waits for what a TLS client says first, and serves the unit of the name that it asks for, or the port's own. */
function named(s: NginxStreamRequest): void {
  const v = s.variables
  const port = v.server_port as string
  if (v.sluice_peer !== '') {
    s.allow()
    return
  }
  whenNamed(s, (name) => {
    const unit = findPassed(zones.sluice_table, port + '*', name) || '@tcp*' + port
    void serve(s, unit + '/' + (v.sluice_slot as string))
  })
}

export default { pick, named }

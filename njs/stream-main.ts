/** Connections to the ports of routes, and those that ask whether a peer takes any. */
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

/** The server that asks: whom, stands in the request that the hop sends. */
function asked(s: NginxStreamRequest): void {
  s.on('upload', (data) => {
    const line = /^GET \/([\d.:a-f[\]]+) /.exec(String(data))
    if (line !== null) {
      s.variables.sluice_peer = line[1]
      s.off('upload')
      s.done()
    }
  })
}

/** The peer took the connection. Nothing is sent to it, and what it says by itself is nobody's. */
function answered(s: NginxStreamRequest): void {
  s.on('downstream', () => undefined)
  s.on('upstream', (data) => {
    if (data.length > 0) {
      s.sendDownstream('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n')
    }
  })
}

export default { pick, named, asked, answered }

/** Connections to untuned ports of routes: chooses the peer for each. */
import { UnitKind } from '../../contract/table/mark.js'
import { zones } from '../memory/dict.js'
import { allowPlain } from '../stream/plain.js'
import { streamCalls } from '../stream/stream-calls.lazy.js'

/**
 * Before anything of the client's is read; where a port has names, what the client says comes
 * first (`pickByName`).
 */
function pick(s: NginxStreamRequest): void {
  const v = s.variables
  const key = v.sluice_key as string
  if (
    v.protocol === 'TCP' &&
    zones.sluice_table.get(UnitKind.Host + v.server_port + '*') !== undefined
  ) {
    s.allow()
  } else if (!allowPlain(s, key)) {
    void streamCalls().serve(s, key)
  }
}

function pickByName(s: NginxStreamRequest): void {
  if (s.variables.sluice_peer !== '') {
    s.allow()
  } else {
    streamCalls().serveByName(s)
  }
}

export default { pick, pickByName }

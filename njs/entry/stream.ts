/** Connections to untuned ports of routes: chooses the peer for each. */
import { UnitKind } from '../../contract/table/mark.js'
import { giveBack, readyTarget, table } from '../stream/ready.js'
import { streamCalls } from '../stream/stream-calls.lazy.js'

/** Whether `pick` has decided. */
let isPicked = true

/**
 * Before anything of the client's is read; where a port has names, what the client says comes
 * first (`byName`).
 */
function pick(s: NginxStreamRequest): void {
  decide(s, true)
}

function decide(s: NginxStreamRequest, bySeat: boolean): void {
  const v = s.variables
  const key = v.sluice_key as string
  const target = readyTarget(key, bySeat)
  isPicked = true
  if (target !== '') {
    v.sluice_peer = target
    s.allow()
  } else if (v.protocol === 'TCP' && table.get(UnitKind.Host + v.server_port + '*') !== undefined) {
    isPicked = false
    s.allow()
  } else {
    void streamCalls().serve(s, key, '', bySeat)
  }
}

/** The same, where nginx has no seats. */
pick.unseated = function (s: NginxStreamRequest): void {
  decide(s, false)
}

pick.byName = function (s: NginxStreamRequest): void {
  if (isPicked) {
    s.allow()
  } else {
    streamCalls().serveByName(s, s.variables.sluice_seats !== '0')
  }
}

pick.giveBack = giveBack

export default pick

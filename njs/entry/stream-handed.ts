/** Connections that another server handed on. */
import { handOff, parseTuned, receive } from '../stream/handoff.js'
import { proxyHeader } from '../stream/proxy-header.js'
import { allowPlain } from '../stream/plain.js'
import { streamRare } from '../stream/rare.lazy.js'

/** What was handed on with a tuned connection. */
let received = parseTuned('')

function keyOf(s: NginxStreamRequest, unit: string): string {
  return unit + '/' + (s.variables.sluice_slot as string)
}

/** Of one that is served as it comes. */
function plain(s: NginxStreamRequest): void {
  const key = keyOf(s, receive(s))
  if (!allowPlain(s, key)) {
    void streamRare().serve(s, key)
  }
}

/** This server chooses the peer and counts the connection; another one connects. */
function tuned(s: NginxStreamRequest): void {
  received = parseTuned(receive(s))
  void streamRare().serve(s, keyOf(s, received.unit))
}

/** `$sluice_tuning`: where a tuned connection goes on, when its peer is chosen. */
function onward(s: NginxStreamRequest): string {
  const v = s.variables
  handOff(
    s,
    v.sluice_peer +
      ' ' +
      proxyHeader(
        v.remote_addr as string,
        v.remote_port as string,
        received.address,
        received.port,
      ),
  )
  return received.tuning
}

export default { plain, tuned, onward }

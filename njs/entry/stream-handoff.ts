/**
 * `untuned.sock` and `tuned.sock`, where connections are handed off to when their unit is known:
 * chooses the peer for each, and counts it.
 */
import { handOff, parseTuned, receive } from '../stream/handoff.js'
import { proxyHeader } from '../stream/proxy-header.js'
import { allowPlain } from '../stream/plain.js'
import { streamCalls } from '../stream/stream-calls.lazy.js'

/** What was handed off with a tuned connection. */
let received = parseTuned('')

function keyOf(s: NginxStreamRequest, unit: string): string {
  return unit + '/' + (s.variables.sluice_slot as string)
}

/** A connection that this server also connects. */
function untuned(s: NginxStreamRequest): void {
  const key = keyOf(s, receive(s))
  if (!allowPlain(s, key)) {
    void streamCalls().serve(s, key)
  }
}

/** A connection that another server connects, the one for its tuning. */
function tuned(s: NginxStreamRequest): void {
  received = parseTuned(receive(s))
  void streamCalls().serve(s, keyOf(s, received.unit))
}

/** `$sluice_tuning`: names the server that connects. Hands off to it the peer that was chosen. */
function tuning(s: NginxStreamRequest): string {
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

export default { untuned, tuned, tuning }

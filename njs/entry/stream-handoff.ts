/**
 * `untuned.sock` and `tuned.sock`, where connections are handed off to when their unit is known:
 * chooses the peer for each, and counts it.
 */
import { handOff, parseTuned, receive } from '../stream/handoff.js'
import { proxyHeader } from '../stream/proxy-header.js'
import { giveBack, readyTarget } from '../stream/ready.js'
import { streamCalls } from '../stream/stream-calls.lazy.js'

/** What was handed off with a tuned connection. */
let received = parseTuned('')

function keyOf(s: NginxStreamRequest, unit: string): string {
  return unit + '/' + (s.variables.sluice_slot as string)
}

/** A connection that this server also connects. */
function untuned(s: NginxStreamRequest): void {
  const key = keyOf(s, receive(s))
  const bySeat = s.variables.sluice_seats !== '0'
  const target = readyTarget(key, bySeat)
  if (target === '') {
    void streamCalls().serve(s, key, '', bySeat)
  } else {
    s.variables.sluice_peer = target
    s.allow()
  }
}

/**
 * A connection that another server connects, the one for its tuning. That one cannot give back
 * what is counted here, so the peer is asked first.
 */
function tuned(s: NginxStreamRequest): void {
  received = parseTuned(receive(s))
  void streamCalls().serve(s, keyOf(s, received.unit), '', false)
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

export default { untuned, tuned, tuning, giveBack }

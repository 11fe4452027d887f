/** Connections that another server handed on. */
import { hand, parseTuned, takeHanded } from '../stream/handoff.js'
import { introductionOf } from '../stream/proxy-header.js'
import { allowPlain } from '../stream/plain.js'
import { rest } from '../stream/rare.js'

/** Of a tuned one: what was told. */
let told = parseTuned('')

function keyOf(s: NginxStreamRequest, unit: string): string {
  return unit + '/' + (s.variables.sluice_slot as string)
}

/** Of one that is served as it comes. */
function plain(s: NginxStreamRequest): void {
  const key = keyOf(s, takeHanded(s))
  if (!allowPlain(s, key)) {
    void rest().serve(s, key)
  }
}

/** This server chooses the peer and counts the connection; another one connects. */
function tuned(s: NginxStreamRequest): void {
  told = parseTuned(takeHanded(s))
  void rest().serve(s, keyOf(s, told.unit))
}

/** `$sluice_tuning`: where a tuned connection goes on, when its peer is chosen. */
function onward(s: NginxStreamRequest): string {
  const v = s.variables
  hand(
    s,
    v.sluice_peer +
      ' ' +
      introductionOf(v.remote_addr as string, v.remote_port as string, told.address, told.port),
  )
  return told.tuning
}

export default { plain, tuned, onward }

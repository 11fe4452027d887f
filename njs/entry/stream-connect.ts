/**
 * `tune60.sock` and its like, the last server of a tuned connection: connects to the peer that
 * another server has chosen, which also counts the connection. A module of its own, for nginx holds
 * a copy for each server that imports it, and there are many of these.
 */
import { receive } from '../stream/handoff.js'

/** The PROXY protocol's header, which the peer gets first. */
let header = ''

/** The address to connect to. */
function peer(s: NginxStreamRequest): string {
  const message = receive(s)
  const space = message.indexOf(' ')
  header = message.slice(space + 1)
  return message.slice(0, space)
}

/** Puts it in place of nginx's own header, which is the first chunk. */
function sendHeader(s: NginxStreamRequest): void {
  s.on('upstream', (data, flags) => {
    s.off('upstream')
    s.send(header, flags)
  })
}

export default { peer, sendHeader }

/**
 * The last server of a connection that is tuned: another one has chosen the peer and counts the connection. A module of its own, for nginx
 * holds a copy for each server that imports it, and there are many of these.
 */
import { takeHanded } from '../stream/handoff.js'

/** What the peer of this connection is told first. */
let introduction = ''

/** The address to connect to. */
function peer(s: NginxStreamRequest): string {
  const told = takeHanded(s)
  const space = told.indexOf(' ')
  introduction = told.slice(space + 1)
  return told.slice(0, space)
}

/** In place of what nginx would tell the peer first, which is a chunk of its own. */
function introduce(s: NginxStreamRequest): void {
  s.on('upstream', (data, flags) => {
    s.off('upstream')
    s.send(introduction, flags)
  })
}

export default { peer, introduce }

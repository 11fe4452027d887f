/**
 * The server of stream{} that connects to a peer to find out whether that takes connections. A
 * module of its own, because each VM makes all that is in its modules.
 */

import { CONNECTED_HEADER } from '../../contract/seat.js'

/** The peer, or its seat, is named by the request that the hop or the controller sends. */
function readPeer(s: NginxStreamRequest): void {
  s.on('upload', (data) => {
    const line = /^GET \/([\d.:a-f[\]]+|[a-z]\d+\.seat) /.exec(String(data))
    if (line !== null) {
      s.variables.sluice_peer = line[1]
      s.off('upload')
      s.done()
    }
  })
}

/**
 * The peer took the connection, so who asked is answered, with the address that was connected to.
 * The peer is sent nothing, and what it says by itself is dropped. One that greets and leaves at
 * once is gone before nginx looks at what the hop sent, so whichever comes first counts.
 */
function answer(s: NginxStreamRequest): void {
  let isAnswered = false
  function accept(): void {
    if (!isAnswered) {
      isAnswered = true
      const head = 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n' + CONNECTED_HEADER + ': '
      s.sendDownstream(head + s.variables.upstream_addr + '\r\n\r\n', {})
    }
  }
  s.on('downstream', accept)
  s.on('upstream', (data) => {
    if (data.length > 0) {
      accept()
    }
  })
}

export default { readPeer, answer }

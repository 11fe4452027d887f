/**
 * The server of stream{} that connects to a peer for the hop: a module of its own, because each
 * VM makes all that is in its modules. nginx knows it as ask.js.
 */

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

/**
 * The peer took the connection. Nothing is sent to it, and what it says by itself is nobody's;
 * but one that greets and leaves at once is gone before nginx looks at what the hop sent, so
 * whichever comes first tells.
 */
function answered(s: NginxStreamRequest): void {
  let isAnswered = false
  function answer(): void {
    if (!isAnswered) {
      isAnswered = true
      s.sendDownstream('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', {})
    }
  }
  s.on('downstream', answer)
  s.on('upstream', (data) => {
    if (data.length > 0) {
      answer()
    }
  })
}

export default { asked, answered }

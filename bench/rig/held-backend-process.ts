// Backends whose answers do not end, many addresses in one process: only so are clients and
// backends apart in their limits.
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answerParent } from '../../lab/load/child.js'
import { frameOf } from './held.js'
import type { HeldBackendQuestion } from './held.js'

/** What is open, and how it is given commands. */
const open = new Map<Duplex | ServerResponse, (text: string) => void>()

function keep(what: Duplex | ServerResponse, send: (text: string) => void): void {
  open.set(what, send)
  what.on('close', () => open.delete(what)).on('error', () => undefined)
  send('hello')
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  if (request.url !== '/events') {
    response.end('held\n')
    return
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  keep(response, (text) => void response.write(`data: ${text}\n\n`))
}

/** nginx asks no more of a WebSocket than this. */
function upgrade(_request: IncomingMessage, socket: Duplex): void {
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  )
  keep(socket, (text) => void socket.write(frameOf(text)))
  // Nobody else looks for its end any more.
  socket.resume().on('end', () => socket.end())
}

function listen(host: string, port: number): Promise<Server> {
  const server = createServer(serve).on('upgrade', upgrade)
  server.keepAliveTimeout = 0
  server.requestTimeout = 0
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 4096 }, () => resolve(server))
  })
}

answerParent(async (body) => {
  const question = body as HeldBackendQuestion
  if (question.type === 'listen') {
    for (const host of question.hosts) {
      await listen(host, question.port)
    }
  } else if (question.type === 'send') {
    for (const send of open.values()) {
      send(question.text)
    }
  }
  return open.size
})

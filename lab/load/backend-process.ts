// Backends, many in one process or one that a test may kill.
import { createHash } from 'node:crypto'
import { openSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { appendBackendLine, monotonicMs } from './ledger.js'
import type { BackendQuestion } from './backends.js'
import { answerParent } from './child.js'

const ledger = openSync(process.argv[2] ?? '', 'a')
const servers = new Map<string, Server>()

function serve({ upstream, instance, pem }: BackendQuestion): Server {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const id = String(request.headers['x-load-id'] ?? '')
    const method = request.method ?? ''
    appendBackendLine(ledger, { id, method, upstream, instance, atMs: monotonicMs() })
    const delayMs = Number(new URL(request.url ?? '/', 'http://a').searchParams.get('delay') ?? 0)
    echo(request, response, `${upstream} ${instance} ${id}`, delayMs)
  }
  const server = pem
    ? createSecureServer({ cert: pem.certificate, key: pem.privateKey }, answer)
    : createServer(answer)
  // A backend that closes idle connections at will loses POSTs behind any nginx; that is not what
  // is measured.
  server.keepAliveTimeout = 0
  server.requestTimeout = 0
  return server
}

function echo(
  request: IncomingMessage,
  response: ServerResponse,
  who: string,
  delayMs: number,
): void {
  const hash = createHash('sha1')
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    hash.update(chunk)
  })
  request.on('end', () => {
    const body = `${who} ${bytes === 0 ? '-' : hash.digest('hex')}\n`
    const answer = (): void => {
      response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) })
      response.end(body)
    }
    if (delayMs > 0) {
      setTimeout(answer, delayMs)
    } else {
      answer()
    }
  })
  // The other side went away: its ledger says so.
  request.on('error', () => response.destroy())
}

function open(asked: BackendQuestion): Promise<number> {
  const { instance, host, port } = asked
  const server = serve(asked)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 1024 }, () => {
      servers.set(instance, server)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

function close({ instance }: BackendQuestion): Promise<void> {
  const server = servers.get(instance)
  servers.delete(instance)
  return new Promise((resolve) => {
    if (server === undefined) {
      return resolve()
    }
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

answerParent((question) => {
  const asked = question as BackendQuestion
  return asked.type === 'open' ? open(asked) : close(asked)
})

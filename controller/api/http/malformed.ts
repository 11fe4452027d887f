/** Answers what never becomes a call, since it is no HTTP: a problem document, as to all else. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { SluiceError, systemCode } from '../../../runtime/errors.js'
import { PROBLEM_TYPE, problemOf } from './errors.js'

const TOO_LONG = 'the header is longer than 16 KB'
const TOO_LATE = 'the request was not whole within a minute'

function refusalOf(error: Error): SluiceError {
  const code = systemCode(error)
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new SluiceError('headers_too_large', TOO_LONG)
  }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return new SluiceError('too_large', "the body's chunks have too long extensions")
  }
  return code === 'ERR_HTTP_REQUEST_TIMEOUT'
    ? new SluiceError('request_timeout', TOO_LATE)
    : new SluiceError('invalid', 'the request is not HTTP/1.1')
}

function answerOf(refusal: SluiceError, more: string[] = []): string {
  const requestId = randomUUID()
  const problem = problemOf(refusal, undefined, requestId)
  const body = JSON.stringify(problem)
  return [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'cache-control: no-store',
    ...more,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}

/** node's name for the answer that is on its way on a connection. */
type Answering = Duplex & { _httpMessage?: ServerResponse | null }

/** `serve` gets the requests that node itself would have refused with a bare status. */
export function refuseMalformed(server: Server, serve: RequestListener): void {
  server.on('clientError', (error: Error, socket: Answering) => {
    // What has begun cannot be answered otherwise any more.
    if (socket.writable && socket._httpMessage?.headersSent !== true) {
      socket.end(answerOf(refusalOf(error)), () => socket.destroy())
    } else {
      socket.destroy()
    }
  })
  server.on('connect', (_: IncomingMessage, socket: Duplex) => {
    const refusal = new SluiceError('method_not_allowed', 'this is no proxy')
    socket.on('error', () => undefined)
    socket.end(answerOf(refusal, ['allow: GET']), () => socket.destroy())
  })
  server.on('checkExpectation', serve)
}

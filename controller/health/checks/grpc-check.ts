/**
 * Over Node's own HTTP/2, because of what a check needs that gRPC's library has not: an end that
 * leaves no connection (the library waits for the peer to take part in it), and system errors by
 * code. The two messages are a few bytes long.
 */
import { connect } from 'node:http2'
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { printAddress } from '../../../contract/guard/address.js'
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import { attempt } from './attempt.js'
import type { Attempt, Check, CheckAddress } from './attempt.js'
import { open } from './connect.js'

const SERVING = 1
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const NOT_GRPC = 'its answer is not gRPC'

const GRPC_OK = 0
const GRPC_WORDS: Record<number, string> = {
  5: 'answered SERVICE_UNKNOWN',
  12: 'has no gRPC health service',
}

/** The answer is two bytes long; whoever sends more is something else. */
const MOST_BYTES = 1024

/**
 * Passes when grpc.health.v1.Health/Check answers SERVING for the policy's service, over HTTP/2. A
 * server that does not know the service, or has no such method, fails.
 */
export const checkGrpc: Check = (address, policy, signal) =>
  attempt(policy.timeoutMs, signal, (attempt) => {
    const socket = open(address, 'h2')
    socket.on('error', attempt.failBy)
    const session = connect(authorityOf(address), {
      createConnection: () => socket,
      settings: { enablePush: false },
    })
    session.on('error', attempt.failBy)
    const stream = session.request(headersOf(policy), { endStream: false })
    stream.on('error', attempt.failBy)
    read(stream, attempt)
    stream.end(frame(policy.service ?? ''))
    return () => {
      session.destroy()
      socket.destroy()
    }
  })

function authorityOf({ host, port, tls }: CheckAddress): string {
  return tls === undefined
    ? `http://${printAddress(host, port)}`
    : `https://${tls.name || printAddress(host, port)}`
}

function headersOf(policy: CheckPolicy): Record<string, string> {
  return {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': `${policy.timeoutMs}m`,
    'user-agent': 'sluice-check',
  }
}

function read(stream: ClientHttp2Stream, attempt: Attempt): void {
  let grpcStatus: number | undefined
  let httpStatus: number | undefined
  let message = Buffer.alloc(0)
  const takeStatus = (headers: IncomingHttpHeaders): void => {
    const status = headers['grpc-status']
    if (typeof status === 'string') {
      grpcStatus = Number(status)
    }
  }
  stream.on('response', (headers) => {
    httpStatus = headers[':status']
    takeStatus(headers)
  })
  stream.on('trailers', takeStatus)
  stream.on('data', (chunk: Buffer) => {
    message = Buffer.concat([message, chunk])
    if (message.length > MOST_BYTES) {
      attempt.fail(NOT_GRPC)
    }
  })
  // Trailers may come after the end of the data.
  stream.on('close', () => judge(attempt, httpStatus, grpcStatus, message))
}

function judge(
  attempt: Attempt,
  httpStatus: number | undefined,
  grpcStatus: number | undefined,
  message: Buffer,
): void {
  if (httpStatus === undefined) {
    return attempt.fail('closed before its answer was complete')
  }
  if (httpStatus !== 200) {
    return attempt.fail(`answered ${httpStatus}`)
  }
  if (grpcStatus === undefined) {
    return attempt.fail(NOT_GRPC)
  }
  if (grpcStatus !== GRPC_OK) {
    return attempt.fail(GRPC_WORDS[grpcStatus] ?? `answered gRPC status ${grpcStatus}`)
  }
  const status = statusIn(message)
  if (status === SERVING) {
    return attempt.pass()
  }
  attempt.fail(status === undefined ? NOT_GRPC : `answered ${STATUSES[status] ?? 'UNKNOWN'}`)
}

/**
 * `message HealthCheckRequest { string service = 1; }`, after a byte for "not compressed" and the
 * length in four.
 */
function frame(service: string): Buffer {
  const name = Buffer.from(service)
  const size = name.length < 128 ? [name.length] : [(name.length & 127) | 128, name.length >> 7]
  const message = name.length === 0 ? name : Buffer.from([0x0a, ...size, ...name])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/**
 * `message HealthCheckResponse { ServingStatus status = 1; }`; a status of 0 is not sent. Undefined
 * if it is none.
 */
function statusIn(message: Buffer): number | undefined {
  if (message.length < 5 || message[0] !== 0 || message.readUInt32BE(1) !== message.length - 5) {
    return undefined
  }
  if (message.length === 5) {
    return 0
  }
  return message.length === 7 && message[5] === 0x08 ? message[6] : undefined
}

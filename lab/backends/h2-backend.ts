// An instance that speaks nothing but HTTP/2, and says what it was asked.
import { createHash } from 'node:crypto'
import { createSecureServer, createServer } from 'node:http2'
import type { IncomingHttpHeaders, SecureServerOptions, ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Pem } from '../engines/certificates.js'
import { freePort } from '../ports.js'

/** The body of each answer, as JSON. */
export interface H2Echo {
  id: string
  headers: IncomingHttpHeaders
  digest: string
  /** Serial number of the certificate that the client showed; absent where none was asked for. */
  shown?: string
}

export interface H2Backend {
  id: string
  host: string
  port: number
  address: string
  /** Requests that came. */
  requests: () => number
  /** Connections that came. */
  connections: () => number
}

function read({ certificate, privateKey, clientCa }: Pem & { clientCa?: string }) {
  const own: SecureServerOptions = { cert: certificate, key: privateKey }
  return clientCa === undefined ? own : { ...own, ca: clientCa, requestCert: true }
}

function shownBy(stream: ServerHttp2Stream): string | undefined {
  const socket = stream.session?.socket as Partial<TLSSocket> | undefined
  return socket?.getPeerX509Certificate?.()?.serialNumber
}

/**
 * Over TLS with `pem`; with `clientCa` only for who shows a certificate by that authority.
 * `?status=N` is obeyed.
 */
export async function startH2(
  t: { teardown(fn: () => unknown): void },
  id: string,
  pem?: Pem & { clientCa?: string },
): Promise<H2Backend> {
  let requests = 0
  let connections = 0
  const server = pem === undefined ? createServer() : createSecureServer(read(pem))
  server.on('session', () => (connections += 1))
  server.on('stream', (stream, headers) => {
    requests += 1
    const shown = shownBy(stream)
    const digest = createHash('sha256')
    stream.on('data', (chunk: Buffer) => digest.update(chunk))
    stream.on('error', () => undefined)
    stream.on('end', () => {
      const status = Number(/status=(\d+)/.exec(headers[':path'] ?? '')?.[1] ?? 200)
      stream.respond({ ':status': status, 'content-type': 'application/json' })
      stream.end(JSON.stringify({ id, headers, digest: digest.digest('hex'), shown }))
    })
  })
  const [host, port] = ['127.0.0.1', await freePort()]
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  t.teardown(() => server.close())
  const counts = { requests: () => requests, connections: () => connections }
  return { id, host, port, address: `${host}:${port}`, ...counts }
}

/** A TLS client that reports what it was shown. */
import { createServer } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'

export interface Shaken {
  /** SHA-256 of the server's certificate, as the API shows it. */
  fingerprint: string
  /** Why the client would not trust it; undefined: it does. */
  distrust: string | undefined
  /** What ALPN chose. */
  protocol: string
}

export interface ShakeOptions {
  /** Asked for; absent: no name at all. */
  name?: string
  ca?: string
}

const TIMEOUT_MS = 60_000

/** One full handshake on a connection of its own. */
export function shake(port: number, { name, ca }: ShakeOptions): Promise<Shaken> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      ...(name !== undefined && { servername: name }),
      ...(ca !== undefined && { ca }),
      // Without a name Node would check the address.
      ...(name === undefined && { checkServerIdentity: () => undefined }),
    })
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no handshake in time')))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const { fingerprint256 } = socket.getPeerCertificate()
      const { authorizationError, alpnProtocol } = socket
      socket.destroy()
      resolve({
        fingerprint: fingerprint256,
        distrust: authorizationError ? String(authorizationError) : undefined,
        protocol: String(alpnProtocol),
      })
    })
  })
}

/** Whether the server takes one of these ciphers of TLS 1.2, in OpenSSL's words. */
export function takesCipher(port: number, ciphers: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: '127.0.0.1', port, rejectUnauthorized: false },
      ...{ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` },
    })
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no handshake in time')))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // The server's alert: none of the ciphers suits it.
      return error.code === 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' ||
        error.message.includes('handshake failure')
        ? resolve(false)
        : reject(error)
    })
    socket.once('secureConnect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** The first bytes that Node's TLS sends. */
export async function hello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const said = new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => {
      socket.once('data', (data) => {
        resolve(data)
        socket.destroy()
      })
    })
  })
  const client = connect({ host: '127.0.0.1', port, ...options })
  client.on('error', () => undefined)
  try {
    return await said
  } finally {
    client.destroy()
    server.close()
  }
}

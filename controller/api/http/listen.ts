/** The two doors: TCP for who has the token, a unix socket for who may open the file. */
import { chmod, readFile, unlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { SluiceError, messageOf, systemCode } from '../../../runtime/errors.js'
import { LONGEST_SOCKET_PATH } from '../../../runtime/socket-path.js'
import { refuseMalformed } from './malformed.js'

/** node would refuse a request without a Host by a bare status; the API says why. */
export const ANY_HOST = { requireHostHeader: false }

/** Connections that came over a unix socket of ours. */
export type LocalSockets = WeakSet<Socket>

/**
 * Serves `listener` on a unix socket that only this user may open. A file left by a dead process is
 * replaced. Rejects with `conflict` when a live one answers there, and with `invalid` when the path
 * is too long.
 */
export async function listenLocal(
  path: string,
  listener: RequestListener,
  sockets: LocalSockets,
): Promise<Server> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
    const why = `is longer than the ${LONGEST_SOCKET_PATH} bytes a unix socket may have; set SLUICE_HOME to a shorter path`
    throw new SluiceError('invalid', `${path} ${why}`, { field: 'home' })
  }
  await removeStale(path)
  const server = createServer({ requestTimeout: 60_000, ...ANY_HOST }, listener)
  refuseMalformed(server, listener)
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // bind() happens within listen(). Nobody can connect in between, and no other file gets this
    // mask.
    const mask = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(mask)
    }
  })
  await chmod(path, 0o600)
  return server
}

async function removeStale(path: string): Promise<void> {
  if (await answers(path)) {
    throw new SluiceError('conflict', `${path} is in use: another controller runs in this home`)
  }
  try {
    await unlink(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      throw error
    }
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => {
      const code = systemCode(error)
      if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK') {
        resolve(false)
        return
      }
      reject(
        new SluiceError('conflict', `${path} cannot be tried: ${messageOf(error)}`, {
          cause: error,
        }),
      )
    })
  })
}

/** Of PEM files. */
export interface CertificatePaths {
  certificate: string
  key: string
}

/** In PEM. */
export interface ServerCertificate {
  cert: string
  key: string
}

/**
 * Certificate and key from their PEM files, for the TCP listener. Rejects with `invalid` when one
 * cannot be read, or the two are no pair.
 */
export async function readServerCertificate(paths: CertificatePaths): Promise<ServerCertificate> {
  const read = (path: string, field: string) =>
    readFile(path, 'utf8').catch((error: unknown) => {
      throw new SluiceError('invalid', `${field}: ${messageOf(error)}`, { field, cause: error })
    })
  const cert = await read(paths.certificate, 'apiCertificate')
  const key = await read(paths.key, 'apiKey')
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    const what = `${paths.certificate} and ${paths.key} are no certificate with its key (${messageOf(error)})`
    throw new SluiceError('invalid', what, { field: 'apiCertificate' })
  }
  return { cert, key }
}

/** What a person reads when the TCP listener could not start. */
export function listenError(error: unknown, address: string): unknown {
  const code = systemCode(error)
  if (code === 'EADDRINUSE') {
    const what = `the API's port is in use: ${address}; set SLUICE_API_PORT to a free one`
    return new SluiceError('conflict', what, { field: 'apiPort', cause: error })
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    const what = `the API cannot listen on ${address} (${code}); see SLUICE_API_BIND and SLUICE_API_PORT`
    return new SluiceError('invalid', what, { field: 'apiPort', cause: error })
  }
  return error
}

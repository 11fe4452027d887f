/** The paths of nginx's sockets and files in a home. */
import { SEATS } from '../contract/seat.js'
import { allTunings, tuningName } from '../contract/record/tuning.js'

export interface HomePaths {
  /** What a user includes. */
  includes: string
  adminSocket: string
  hopSocket: string
  /** Where the front asks when the hop did not answer. */
  againSocket: string
  /** Where it asks for calls of gRPC. */
  grpcSocket: string
  /** Where the hop asks by whose answers a policy has tried again. */
  judgeSocket: string
  /** Servers of the fallback; workers must reach it, so it is not beside the admin socket. */
  fallbackSocket: string
  fallbackFiles: string
  /** What the controller compiled: each name here with `/http*.conf` and the like behind it. */
  compiled: string
  /** Those for stream{}. */
  streamFallbackFiles: string
  /** The admin endpoint of stream{}. */
  streamSocket: string
  /**
   * Where stream{} asks, over HTTP, whether a peer takes connections; and the server of stream{}
   * that connects to the peer for it.
   */
  acceptsSocket: string
  preflightSocket: string
  /** Where stream{} hands connections off to whose TLS http{} terminates. */
  httpsSocket: string
  /** Where connections to ports with names are handed off to: their first message is read there. */
  sniSocket: string
  /** Where connections are handed off to whose unit is known: untuned ones, and tuned ones. */
  untunedSocket: string
  tunedSocket: string
  /** Sets `$sluice_own_certificate`: what is shown where the table has nothing. Holds a key. */
  ownCertificate: string
  pidFile: string
  errorLog: string
}

/** sun_path has 108 bytes, the last of them 0. */
const MOST_SOCKET_PATH = 107

/** Where connections go on that the peer of this seat refused. */
export function rescueSocket(home: string, seat: number): string {
  return `${home}/hop/rescue${seat}.sock`
}

/** Where connections of the tuning of this name are handed off to (contract/record/tuning.ts). */
export function tuneSocket(home: string, name: string): string {
  return `${home}/hop/tune${name}.sock`
}

/** Of tunings and of seats. */
export function numberedSockets(home: string): string[] {
  const tuned = allTunings().map((tuning) => tuneSocket(home, tuningName(tuning)))
  return [...tuned, ...Array.from({ length: SEATS }, (_, seat) => rescueSocket(home, seat))]
}

function refuseUnfit(home: string): void {
  if (!/^\/[\w.@+,=~ /-]*$/.test(home)) {
    throw new Error(
      `${home} cannot stand in an nginx configuration: use letters, digits and ._-+@,=~`,
    )
  }
  if (
    Math.max(...numberedSockets(home).map((path) => Buffer.byteLength(path))) > MOST_SOCKET_PATH
  ) {
    throw new Error(`${home} is too long: sockets below it would pass ${MOST_SOCKET_PATH} bytes`)
  }
}

/**
 * Where things stand in a home. Throws when nginx could not take it: a path that its grammar would
 * misread, or one too long.
 */
export function homePaths(home: string): HomePaths {
  refuseUnfit(home)
  return {
    includes: `${home}/sluice`,
    adminSocket: `${home}/run/admin.sock`,
    hopSocket: `${home}/hop/hop.sock`,
    againSocket: `${home}/hop/again.sock`,
    grpcSocket: `${home}/hop/grpc.sock`,
    judgeSocket: `${home}/hop/judge.sock`,
    fallbackSocket: `${home}/hop/fallback.sock`,
    streamSocket: `${home}/run/stream.sock`,
    acceptsSocket: `${home}/hop/accepts.sock`,
    preflightSocket: `${home}/hop/preflight.sock`,
    httpsSocket: `${home}/hop/https.sock`,
    sniSocket: `${home}/hop/sni.sock`,
    untunedSocket: `${home}/hop/untuned.sock`,
    tunedSocket: `${home}/hop/tuned.sock`,
    fallbackFiles: `${home}/fallback/sluice-*.conf`,
    compiled: `${home}/compiled/now`,
    streamFallbackFiles: `${home}/fallback/stream-*.conf`,
    ownCertificate: `${home}/sluice/own-certificate.conf`,
    pidFile: `${home}/run/nginx.pid`,
    errorLog: `${home}/logs/error.log`,
  }
}

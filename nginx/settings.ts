/** What the rendering of nginx's configuration is told. */
import { allTunings, tuningName } from '../contract/record/tuning.js'
import { atLeast } from '../contract/version.js'

export interface ConfSettings {
  /** Absolute path of the home; sockets and files stand below it. */
  home: string
  /** Version of the nginx that will read the files, such as `1.30.6`. */
  nginxVersion: string
  /** Modules to load, absolute paths, in order. */
  modules: string[]
  /** Whether peers are kept connected in a pool; false: every peer by address. Only nginx from 1.29.6 on can. */
  pool: boolean
  /** Whether the pool is split into shards, for thousands of peers. Every request pays for it. */
  wide?: boolean
  /** Loopback port of the pool's DNS responder. */
  poolPort: number
  /** njs engine; undefined leaves njs its own default. */
  engine: 'njs' | 'qjs' | undefined
  /** Size of the table's shared dict. */
  tableBytes: number
  /** nginx workers. */
  workers: number
  /** Address and port that the gateway listens on. */
  bind: string
  httpPort: number
  /** Where it speaks TLS; undefined: nowhere. */
  httpsPort: number | undefined
  /** Whether nginx has stream{} with njs. */
  hasStream: boolean
  /** Whether what comes to `httpsPort` is looked at by stream{}, which passes some of it through by name. */
  passthrough: boolean
  /** Whether it speaks HTTP/3 at the UDP port of that number. */
  http3: boolean
  /** Whether nginx can take and pass on gRPC. */
  hasGrpc: boolean
  /** Ports and ranges of `bind` that are open for routes, such as `9100-9104 9106`; '' for none. */
  streamPorts: string
  /** Those of them whose routes may be tuned; '' for none. */
  tunedPorts: string
  /** Those of the ports above at which the PROXY protocol is spoken; '' for none. */
  proxyProtocolPorts: string
  /** Networks, such as `10.0.0.0/8`, that are believed there. */
  trustedProxies: string[]
  /** User of the workers when nginx is started by root; undefined: nginx's own default. */
  user: string | undefined
  /** Path of the access log, or undefined for none. */
  accessLog: string | undefined
  /** Milliseconds after which a peer that does not accept is left for another. */
  connectTimeoutMs: number
  /** Certificates, in PEM, of the authorities whose word counts for peers that are reached over TLS. */
  trustedCa: string
}

export interface HomePaths {
  /** What a user includes. */
  includes: string
  adminSocket: string
  hopSocket: string
  /** Where the front asks when the hop did not answer. */
  againSocket: string
  /** Where it asks for gRPC. */
  grpcSocket: string
  /** Servers of the fallback; workers must reach it, so it is not beside the admin socket. */
  fallbackSocket: string
  fallbackFiles: string
  /** Those for stream{}. */
  streamFallbackFiles: string
  /** The admin endpoint of stream{}. */
  streamSocket: string
  /** Where stream{} asks, over HTTP, whether a peer takes connections; and the server that connects to it. */
  probeSocket: string
  askSocket: string
  /** Of the HTTPS port: where stream{} hands connections on that are terminated. */
  httpsSocket: string
  /** Where ports of stream{} hand connections on whose first message has to be read. */
  namedSocket: string
  /** Where they and the HTTPS port hand on what is served as it comes, and what is tuned. */
  handedSocket: string
  tunedSocket: string
  /** Sets `$sluice_own_certificate`: what is shown where the table has nothing. Holds a key. */
  ownCertificate: string
  pidFile: string
  errorLog: string
}

/** sun_path has 108 bytes, the last of them 0. */
const MOST_SOCKET_PATH = 107

/** Where stream{} hands connections on that are kept in the way of this name (contract/record/tuning.ts). */
export function tuneSocket(home: string, name: string): string {
  return `${home}/hop/tune${name}.sock`
}

export function tuneSockets(home: string): string[] {
  return allTunings().map((tuning) => tuneSocket(home, tuningName(tuning)))
}

/** Where things stand in a home. Throws when nginx could not take it: a path that its grammar would misread, or one too long. */
export function homePaths(home: string): HomePaths {
  if (!/^\/[\w.@+,=~ /-]*$/.test(home)) {
    throw new Error(
      `${home} cannot stand in an nginx configuration: use letters, digits and ._-+@,=~`,
    )
  }
  const paths = {
    includes: `${home}/sluice`,
    adminSocket: `${home}/run/admin.sock`,
    hopSocket: `${home}/hop/hop.sock`,
    againSocket: `${home}/hop/again.sock`,
    grpcSocket: `${home}/hop/grpc.sock`,
    fallbackSocket: `${home}/hop/fallback.sock`,
    streamSocket: `${home}/run/stream.sock`,
    probeSocket: `${home}/hop/probe.sock`,
    askSocket: `${home}/hop/ask.sock`,
    httpsSocket: `${home}/hop/https.sock`,
    namedSocket: `${home}/hop/named.sock`,
    handedSocket: `${home}/hop/handed.sock`,
    tunedSocket: `${home}/hop/tuned.sock`,
    fallbackFiles: `${home}/fallback/sluice-*.conf`,
    streamFallbackFiles: `${home}/fallback/stream-*.conf`,
    ownCertificate: `${home}/sluice/own-certificate.conf`,
    pidFile: `${home}/run/nginx.pid`,
    errorLog: `${home}/logs/error.log`,
  }
  if (Math.max(...tuneSockets(home).map((path) => Buffer.byteLength(path))) > MOST_SOCKET_PATH) {
    throw new Error(`${home} is too long: sockets below it would pass ${MOST_SOCKET_PATH} bytes`)
  }
  return paths
}

/** `127.0.0.1`, `[::1]` */
export function listenAddress(bind: string): string {
  return bind.includes(':') ? `[${bind}]` : bind
}

/** From 1.29.4 on nginx's proxy module can speak HTTP/2 to peers. */
export function speaksH2(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.4')
}

/** From 1.29.3 on nginx has `$request_port`; over HTTP/3, which has no Host header, nothing else tells the port that was asked for. */
export function tellsRequestPort(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.3')
}

/** From 1.29.7 on nginx speaks HTTP/1.1 to peers unless told otherwise. */
export function speaksHttp11(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.7')
}

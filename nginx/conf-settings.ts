/** The facts that nginx's configuration is rendered from. */

export interface ConfSettings {
  /** Absolute path of the home; sockets and files stand below it. */
  home: string
  /** Version of the nginx that will read the files, such as `1.30.6`. */
  nginxVersion: string
  /** Modules to load, absolute paths, in order. */
  modules: string[]
  /**
   * Whether peers are kept connected in a pool; false: every peer by address. Only nginx from
   * 1.29.6 on can.
   */
  pool: boolean
  /** Whether the pool is split into shards, for thousands of peers. Every request pays for it. */
  wide?: boolean
  /** Whether requests may be left to what the controller compiled for nginx (controller/lanes). */
  compiled?: boolean
  /** Whether stream{} has seats (contract/seat.ts). */
  seats?: boolean
  /** Loopback port of the pool's DNS responder. */
  poolPort: number
  /** njs engine; undefined leaves njs its own default. */
  engine: 'njs' | 'qjs' | undefined
  /** Size of the table's shared dict. */
  tableBytes: number
  /** Bytes of a body that the gateway takes at most; 0: any. */
  maxBodyBytes: number
  /** Connections of each worker (`worker_connections`). */
  connections: number
  /** Milliseconds for which a call of gRPC may be silent. */
  grpcIdleMs: number
  /** Milliseconds for which a TCP connection may be silent, where its route says nothing. */
  tcpIdleMs: number
  /** nginx workers. */
  workers: number
  /**
   * Whether TCP ports have a socket for each worker (`reuseport`). Then another nginx of the same
   * user can open them as well: a new one, while workers whose master was killed still serve.
   */
  reuseport?: boolean
  /** Address and port that the gateway listens on. */
  bind: string
  httpPort: number
  /** Where it speaks TLS; undefined: nowhere. */
  httpsPort: number | undefined
  /** Whether nginx has stream{} with njs. */
  hasStream: boolean
  /**
   * Whether what comes to `httpsPort` is looked at by stream{}, which passes some of it through by
   * name.
   */
  passthrough: boolean
  /** Whether it speaks HTTP/3 at the UDP port of that number. */
  http3: boolean
  /** Whether nginx can take a client's address from a header. */
  hasRealip: boolean
  /** Whether nginx can make machine code of regular expressions: the access log has some. */
  hasJit?: boolean
  /** Whether nginx can take and pass on gRPC. */
  hasGrpc: boolean
  /** Ports and ranges of `bind` that are open for routes, such as `9100-9104 9106`; '' for none. */
  streamPorts: string
  /** Those of them whose routes may be tuned; '' for none. */
  tunedPorts: string
  /** Those of the ports above at which the PROXY protocol is spoken; '' for none. */
  proxyProtocolPorts: string
  /** Networks of proxies, such as `10.0.0.0/8`, that are believed there, and in headers. */
  trustedProxies: string[]
  /** Whether paths with `..` are passed on as they came, for applications that judge them. */
  rawPaths?: boolean
  /** What TLS clients may choose from before TLS 1.3, in OpenSSL's words. */
  tlsCiphers?: string
  /** User of the workers when nginx is started by root; undefined: nginx's own default. */
  user: string | undefined
  /** Path of the access log, or undefined for none. */
  accessLog: string | undefined
  /** Milliseconds after which a peer that does not accept is left for another. */
  connectTimeoutMs: number
  /**
   * Certificates, in PEM, of the authorities whose word counts for peers that are reached over TLS.
   */
  trustedCa: string
}

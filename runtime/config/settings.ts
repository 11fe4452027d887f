/** The settings of one run, as all parts read them. */
import type { LabelDialect } from './kinds.js'
import type { FileAccess } from '../whole-file.js'

/**
 * The settings of a Sluice process: flags, environment, file, defaults, in this order. Made by
 * load.ts, then never changed.
 */
export interface Settings {
  /** Absolute path of the home: state, sockets, logs, fallback files, the private nginx. */
  home: string
  /** Where the gateway listens for HTTP. */
  httpPort: number
  /** Where the gateway speaks TLS; 0: nowhere. */
  httpsPort: number
  /** Address that the gateway binds; `npm start` uses 127.0.0.1. */
  bind: string
  /** Whether TLS may also be passed through there, by name. */
  passthrough: boolean
  /** Whether the gateway speaks HTTP/3 at the UDP port of the same number. */
  http3: boolean
  /** Folder of certificates beside those of the registry. */
  certificates: string | undefined
  apiPort: number
  /** Address that the API binds. */
  apiBind: string
  /** Paths of the PEM files with which the API speaks TLS; undefined: plain HTTP. */
  apiTls: { certificate: string; key: string } | undefined
  /** Ports for routes of connections, such as `9100-9109`, or `9100-9104 9106`; '' for none. */
  streamPorts: string
  /** Those of them whose routes may be tuned (contract/record/tuning.ts); '' for none. */
  tunedPorts: string
  /**
   * Those of all these at which a proxy in front names the client by the PROXY protocol, such as
   * `8080 9100-9104`; '' for none.
   */
  proxyProtocolPorts: string
  /** Networks of proxies that are believed there, and in headers, such as `10.0.0.0/8`. */
  trustedProxies: string[]
  /** Whether paths with `..` are passed on as they came. */
  rawPaths: boolean
  /** Whether requests are logged, with the names of instances. */
  accessLog: boolean
  /** Ciphers of TLS 1.2, in OpenSSL's words. */
  tlsCiphers: string
  /** Admin token; made at first start when none is given. */
  apiToken: string | undefined
  /** Where it stands, if in a file: read again at each use. The same of other secrets. */
  apiTokenFile?: string | undefined
  /** `embedded`, `etcd://host:2379[,…]`, `etcds://…`, or (agent) `http://controller:8081`. */
  registry: string
  /** Part of the registry that belongs together: keys stand under `/sluice/v1/<cluster>/`. */
  cluster: string
  etcd: EtcdSettings
  /** `auto`, `off`, or the engine's address: `unix:///var/run/docker.sock`, `tcp://host:2375`. */
  docker: string
  /** Absolute path of a folder of files that an agent follows; undefined: none. */
  files?: string | undefined
  /** Undefined: no Consul is followed. */
  consul?: ConsulSettings | undefined
  /** Undefined: no keys of an etcd are followed. */
  etcdKeys?: EtcdKeysSettings | undefined
  /** An upstream `web` answers at `web.<domain>` for each of them; none: by routes alone. */
  domains: string[]
  /** Where the gateway is; undefined: all zones are alike to it. */
  zone: string | undefined
  /** nginx workers. */
  workers: number
  /** Account of nginx's workers; undefined: as accounts.ts chooses. */
  user: string | undefined
  /** Largest body of a request, in bytes; 0: any. */
  maxBodyBytes: number
  /** Connections of each worker; gRPC, TCP and UDP take at most a quarter each. */
  connections: number
  /** Milliseconds for which a call of gRPC may be silent. */
  grpcIdleMs: number
  /** Milliseconds for which a TCP connection may be silent, where its route says nothing. */
  tcpIdleMs: number
  /** Path of an nginx of the user's own; undefined: the private one. */
  nginx: string | undefined
  /** `gateway`: an nginx with njs. `file`: write files, check, reload. */
  mode: 'gateway' | 'file'
  /** Size of the table's shared dict. */
  tableBytes: number
  /** `auto`: where nginx can. `off`: every peer by address. */
  pool: 'auto' | 'wide' | 'off'
  /** Whether nginx is left to choose by itself where it can (controller/lanes). */
  compiled: 'auto' | 'file' | 'off'
  /** For how many upstreams at most. */
  lanes: number
  /** njs engine: `njs` or `qjs`. */
  engine: 'njs' | 'qjs'
  /** Loopback port of the pool's DNS responder. */
  poolPort: number
  /** DNS servers for names of upstreams; none: the system's. */
  resolvers: Array<{ host: string; port: number }>
  /** Where names of services are answered; `addresses` none: nowhere. */
  serviceDns: { addresses: Array<{ host: string; port: number }>; zone: string }
  /** For how long an upstream is known after its last instance went, in milliseconds. */
  knownForMs: number
  /** How many upstreams `/metrics` shows by name. */
  metricsUpstreams: number
  /** Path of a PEM file; undefined: the authorities that the system trusts. */
  trustedCa: string | undefined
  /**
   * Whether 127.0.0.0/8 and ::1 may be registered; true by default only with the embedded registry.
   */
  allowLoopback: boolean
  file: FileModeSettings
  agent: AgentSettings
  logLevel: string
}

export interface EtcdSettings {
  username: string | undefined
  password: string | undefined
  passwordFile?: string | undefined
  /** Paths of PEM files. */
  ca: string | undefined
  certificate: string | undefined
  key: string | undefined
}

export interface ConsulSettings {
  /** `http://host:8500` or `https://…` */
  url: string
  token: string | undefined
  tokenFile: string | undefined
  datacenter: string | undefined
  /** Only services with it are followed; undefined: all. */
  tag: string | undefined
  /** Whether an instance serves whose checks warn. */
  isWarningServed: boolean
  /** Path of a PEM file; undefined: the authorities that Node trusts. */
  ca: string | undefined
}

export interface EtcdKeysSettings {
  /** `etcd://host:2379[,host…]/<prefix>` */
  url: string
  etcd: EtcdSettings
}

export interface FileModeSettings {
  /** Where the file goes; default `<home>/fallback`. */
  directory: string | undefined
  /** Ports and addresses of the written servers' `listen`; default the http port. */
  listen: string | undefined
  /** Command that reloads nginx; else the master in `pidFile` gets SIGHUP. */
  reloadCommand: string | undefined
  /** Of the nginx that is reloaded, to see whether it was. */
  pidFile: string | undefined
  /** Of the files. */
  access: FileAccess
  /** Never two reloads within this. */
  minIntervalMs: number
  /** End after the first success. */
  onetime: boolean
}

/** How labels that were written for other tools are read. */
export interface DialectSettings {
  /** Of a container that has labels of several, those of the first count. */
  dialects: LabelDialect[]
  /** Domains that the tag `http` exposes an upstream below; none: it need not. */
  exposeDomains: string[]
  /** Ports that are open for routes: `9100-9104 9106`. */
  streamPorts: string
  httpPort: number
  /** 0: none. */
  httpsPort: number
  /** Whether exposed ports count, and not published ones. */
  registratorInternal: boolean
  /** Whether only what has a SERVICE_NAME counts. */
  registratorExplicit: boolean
  /** Ports of the gateway by names of Traefik's entrypoints. */
  traefikEntrypoints: Record<string, number>
  /** Whether `traefik.enable=true` is not needed. */
  traefikExposed: boolean
}

interface AgentSettings {
  /** Stable id of this machine's agent; undefined: made once, in the home. */
  id: string | undefined
  /** Address that published ports are registered with; undefined: container addresses are used. */
  address: string | undefined
  /** Networks of the engine whose addresses mean the same to all gateways. */
  networks: string[]
  /** Patterns for the hosts and upstreams that labels may name; undefined: any. */
  labels: { hosts: string[] | undefined; upstreams: string[] | undefined }
  dialects: DialectSettings
  /** Milliseconds after which a dead agent's instances go. */
  ttlMs: number
  /** Token for an `http` registry. */
  token: string | undefined
  tokenFile?: string | undefined
}

/**
 * Every setting, once. Its name in the file is the key here (`httpPort`); its flag (`--http-port`),
 * its variable (`SLUICE_HTTP_PORT`), `--help` and the table of docs/settings.md are made from it.
 */
import { availableParallelism } from 'node:os'
import {
  ACCOUNT,
  ADDRESS,
  BOOLEAN,
  DOMAINS,
  ENTRYPOINTS,
  EXECUTABLE,
  LABEL_DIALECTS,
  NAME,
  NETWORKS,
  GROUP,
  NETWORK_NAMES,
  PATH,
  PATTERNS,
  PERMISSIONS,
  PORT,
  PORTS,
  SERVERS,
  HOST_NAME,
  TEXT,
  USER,
  choice,
  duration,
  pattern,
  size,
  wholeNumber,
} from './kinds.js'
import { given, optional } from './setting.js'
import type { Given, Setting } from './setting.js'

const REGISTRY = pattern(
  'embedded, etcd://host:2379[,host…], etcds://host:2379[,host…], or for an agent http://host:8081 or unix:/path/api.sock',
  /^(embedded|etcds?:\/\/[\w.-]+(:\d{1,5})?(,[\w.-]+(:\d{1,5})?)*|https?:\/\/[\w.:[\]-]+\/?|unix:\/[^\s:]+)$/,
)
const DOCKER = pattern(
  'auto, off, or an address such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375',
  /^(auto|off|unix:\/\/\/\S+|(tcp|https?):\/\/[\w.:[\]-]+)$/,
)
const CONSUL = pattern(
  'an address such as http://127.0.0.1:8500 or https://consul.internal:8501',
  /^https?:\/\/[\w.:[\]-]+\/?$/,
)
const ETCD_KEYS = pattern(
  'etcd://host:2379[,host…]/prefix or etcds://host:2379[,host…]/prefix',
  /^etcds?:\/\/[\w.-]+(:\d{1,5})?(,[\w.-]+(:\d{1,5})?)*(\/[\w.-]+)+\/?$/,
)
const LISTEN = pattern(
  'addresses as nginx listens on them, such as 80 or 127.0.0.1:80, with commas between',
  /^(([\d.]+|\[[\da-fA-F:]+\]|\*):)?\d{1,5}(,(([\d.]+|\[[\da-fA-F:]+\]|\*):)?\d{1,5})*$/,
)

export const SETTINGS = {
  home: given(PATH, '.sluice', 'state, sockets, logs, fallback files, the private nginx'),
  bind: given(ADDRESS, '127.0.0.1', 'address that the gateway listens at'),
  httpPort: given(PORT, '8080', 'port where the gateway speaks HTTP'),
  httpsPort: given(wholeNumber(0, 65535), '8443', 'port where the gateway speaks TLS; `0`: none'),
  passthrough: given(BOOLEAN, 'true', 'whether routes by `sni` share the HTTPS port'),
  http3: given(BOOLEAN, 'false', 'whether the gateway speaks HTTP/3 at the HTTPS port, over UDP'),
  certificates: optional(
    PATH,
    'folder of certificates: `app.crt` and `app.key`, or certbot’s; watched',
  ),
  streamPorts: given(
    PORTS,
    '9100-9109',
    'ports that nginx opens for TCP and UDP routes; `off`: none',
  ),
  tunedPorts: given(
    PORTS,
    'off',
    'stream ports whose TCP routes may have `timeouts` and `proxyProtocol`',
  ),
  proxyProtocolPorts: given(
    PORTS,
    'off',
    'ports where load balancers speak the PROXY protocol, such as `8080,9100-9104`',
  ),
  trustedProxies: optional(
    NETWORKS,
    'proxies in front whose word about the client’s address is believed: addresses, and networks such as `10.0.0.0/8`',
  ),
  rawPaths: given(
    BOOLEAN,
    'false',
    'whether paths with `..` reach applications unchanged; they can then leave the prefix of their route',
  ),
  accessLog: given(
    BOOLEAN,
    'true',
    'whether `sluice start` writes an access log; in an nginx.conf of your own, whether requests cost a little more and lines of it much less',
  ),
  tlsCiphers: given(
    pattern('a list of ciphers', /^[A-Za-z0-9:!+@=,_-]{1,2000}$/),
    'ECDHE+AESGCM:ECDHE+CHACHA20',
    'ciphers of TLS 1.2 towards clients, as OpenSSL writes them',
  ),
  apiPort: given(PORT, '8081', 'port of REST and metrics'),
  apiBind: given(
    ADDRESS,
    '127.0.0.1',
    'address that the API listens at; beyond loopback only with a certificate or `api-plain`',
  ),
  apiCertificate: optional(PATH, 'PEM file of the certificate with which the API speaks TLS'),
  apiKey: optional(PATH, 'PEM file of that certificate’s key'),
  apiPlain: given(
    BOOLEAN,
    'false',
    'whether the API may speak plain HTTP beyond loopback, its token readable on the way',
  ),
  apiToken: optional(TEXT, 'admin token, sent as `Authorization: Bearer …`', {
    secret: true,
    defaultIs: 'made at first start, in the file `api-token` of the home',
  }),
  registry: given(REGISTRY, 'embedded', '`embedded`, `etcd://host:2379[,host…]` or `etcds://…`'),
  cluster: given(
    NAME,
    'main',
    'name of this cluster; clusters that share an etcd do not see each other',
  ),
  etcdUsername: optional(TEXT, 'user of etcd'),
  etcdPassword: optional(TEXT, 'password of that user', { secret: true }),
  etcdCa: optional(PATH, 'PEM file of the authority that signed etcd’s certificate'),
  etcdCertificate: optional(PATH, 'PEM file of the certificate shown to etcd'),
  etcdKey: optional(PATH, 'PEM file of that certificate’s key'),
  trustedCa: optional(PATH, 'PEM file of the authorities that sign instances’ certificates', {
    defaultIs: 'those that the system trusts',
  }),
  docker: given(DOCKER, 'auto', '`auto`, `off`, or the engine’s address'),
  files: optional(
    PATH,
    'folder of files that say upstreams and routes, `*.yaml` and `*.json`; watched',
  ),
  consul: optional(CONSUL, 'Consul whose services are followed: `http://host:8500` or `https://…`'),
  consulToken: optional(TEXT, 'token for Consul', { secret: true }),
  consulDatacenter: optional(TEXT, 'datacenter of Consul that is followed', {
    defaultIs: 'that of the Consul that is asked',
  }),
  consulTag: optional(TEXT, 'only services of Consul with this tag are followed', {
    defaultIs: 'all services',
  }),
  consulWarning: given(BOOLEAN, 'false', 'whether instances of Consul serve while a check warns'),
  consulCa: optional(PATH, 'PEM file of the authority that signed Consul’s certificate'),
  etcdKeys: optional(
    ETCD_KEYS,
    'keys of etcd that are followed: `etcd://host:2379[,host…]/prefix`',
  ),
  etcdKeysUsername: optional(TEXT, 'user of that etcd'),
  etcdKeysPassword: optional(TEXT, 'password of that user', { secret: true }),
  etcdKeysCa: optional(PATH, 'PEM file of the authority that signed that etcd’s certificate'),
  etcdKeysCertificate: optional(PATH, 'PEM file of the certificate shown to that etcd'),
  etcdKeysKey: optional(PATH, 'PEM file of that certificate’s key'),
  domain: given(
    DOMAINS,
    'localhost',
    'an upstream `web` answers at Host `web.<domain>`; several with commas, `off`: by routes alone',
  ),
  zone: optional(NAME, 'where this gateway is: instances of the same zone are asked first', {
    defaultIs: 'none: all zones are alike',
  }),
  maxBody: given(
    size(0, 1024 ** 4),
    '100m',
    'largest body of a request that the gateway takes; `0`: any, which can fill the disk',
  ),
  workers: given(
    wholeNumber(1, 512),
    () => String(availableParallelism()),
    'how many workers nginx has',
    {
      defaultIs: 'number of cores',
    },
  ),
  connections: given(
    wholeNumber(256, 1_000_000),
    '8192',
    'how many connections each worker has; gRPC, TCP and UDP take at most a quarter each',
  ),
  grpcIdle: given(
    duration(1000, 86_400_000),
    '1h',
    'how long a call of gRPC may be silent before it is ended',
  ),
  tcpIdle: given(
    duration(1000, 86_400_000),
    '10m',
    'how long a TCP connection may be silent, where its route says nothing',
  ),
  user: optional(ACCOUNT, 'account of nginx’s workers where Sluice is started by root', {
    defaultIs: '`sluice`, if there is such an account, else `nobody`',
  }),
  nginx: optional(EXECUTABLE, 'path of an nginx of your own', { defaultIs: 'the private one' }),
  engine: given(choice('njs', 'qjs'), 'njs', 'what runs the njs modules: `njs` or `qjs` (QuickJS)'),
  tableSize: given(size(1024 ** 2, 16 * 1024 ** 3), '256m', 'how much shared memory the table has'),
  pool: given(
    choice('auto', 'wide', 'off'),
    'auto',
    'connections stay open to 1,000 instances; `wide`: to 10,000; `off`: to none',
  ),
  compiled: given(
    choice('auto', 'file', 'off'),
    'off',
    'what nginx serves by itself while nothing changes: `auto`, `file`: what it can; `off`: nothing',
  ),
  lanes: given(
    wholeNumber(1, 4096),
    '256',
    'for how many upstreams nginx chooses instances by itself at most',
  ),
  poolPort: given(
    wholeNumber(0, 65535),
    '0',
    'loopback port through which nginx learns of the pool',
    {
      defaultIs: 'a free one, chosen at first start',
    },
  ),
  resolvers: optional(
    SERVERS,
    'DNS servers for the names in `dns` of upstreams: `10.0.0.2,10.0.0.3:5353`',
    { defaultIs: 'those of the system' },
  ),
  dns: optional(
    SERVERS,
    'addresses where names of services are answered by DNS: `127.0.0.1:5353,172.17.0.1:53`',
    { defaultIs: 'none: DNS is off' },
  ),
  dnsZone: given(
    HOST_NAME,
    'sluice',
    'zone of those names: an upstream `web` is `web.service.<zone>`',
  ),
  allowLoopback: optional(BOOLEAN, 'whether instances may be at 127.0.0.0/8 and ::1', {
    defaultIs: 'true where the registry is on this machine',
  }),
  mode: given(
    choice('gateway', 'file'),
    'gateway',
    '`gateway`: nginx with njs; `file`: files for an nginx without njs',
  ),
  fileDirectory: optional(PATH, 'file mode: where the files go', {
    defaultIs: '`fallback` in the home',
  }),
  fileListen: optional(LISTEN, 'file mode: what the servers listen at', {
    defaultIs: 'the HTTP port',
  }),
  reloadCommand: optional(TEXT, 'file mode: command that reloads nginx'),
  pidFile: optional(
    PATH,
    'file mode: pid file of the nginx that is reloaded; without a command it gets SIGHUP',
  ),
  fileOwner: optional(USER, 'file mode: owner of the files', {
    defaultIs: 'of the controller',
  }),
  fileGroup: optional(GROUP, 'file mode: group of the files', {
    defaultIs: 'of the controller',
  }),
  fileMode: given(PERMISSIONS, '0640', 'file mode: permissions of the files'),
  minInterval: given(
    duration(0, 86_400_000),
    '1s',
    'file mode: least time from one reload to the next',
  ),
  onetime: given(BOOLEAN, 'false', 'file mode: end after the first success'),
  knownFor: given(
    duration(0, 2_592_000_000),
    '10m',
    'how long an upstream whose last instance went is answered with 503, not 404',
  ),
  metricsUpstreams: given(
    wholeNumber(0, 100_000),
    '200',
    'upstreams that `/metrics` shows by name; all others are one, `(others)`',
  ),
  agentId: optional(NAME, 'stable id of this machine’s agent', {
    defaultIs: 'made at first start, in the home',
  }),
  agentAddress: optional(ADDRESS, 'address to register published ports with', {
    defaultIs: 'containers’ own addresses',
  }),
  agentNetworks: optional(
    NETWORK_NAMES,
    'networks of the engine whose addresses all gateways reach, with commas',
  ),
  labelHosts: optional(
    PATTERNS,
    'hosts that labels may name, such as `*.shop.example`, with commas',
    {
      defaultIs: 'any but `*`',
    },
  ),
  labelUpstreams: optional(
    PATTERNS,
    'upstreams that labels may name, such as `shop-*`, with commas',
    {
      defaultIs: 'any',
    },
  ),
  labels: given(
    LABEL_DIALECTS,
    'sluice,registrator',
    'whose labels are read: some of `sluice`, `registrator`, `nginx-proxy`, `traefik`, `angie`; the first that a container has counts',
  ),
  expose: given(
    choice('all', 'tagged'),
    'all',
    '`tagged`: only what a route, a host label or the tag `http` exposes answers; `all`: each upstream does, at `<name>.<domain>`',
  ),
  registratorInternal: given(
    BOOLEAN,
    'false',
    'registrator’s labels: whether exposed ports count, not published ones',
  ),
  registratorExplicit: given(
    BOOLEAN,
    'true',
    'registrator’s labels: whether only what has a `SERVICE_NAME` counts; `false`: images give names',
  ),
  traefikEntrypoints: given(
    ENTRYPOINTS,
    'web=80,websecure=443',
    'Traefik’s labels: the gateway’s ports by names of entrypoints, such as `web=8080,pg=9100`',
  ),
  traefikExposed: given(
    BOOLEAN,
    'true',
    'Traefik’s labels: `false`: only containers with `traefik.enable=true`',
  ),
  agentTtl: given(
    duration(2000, 3_600_000),
    '15s',
    'how long instances stay when their agent has died',
  ),
  agentToken: optional(TEXT, 'token for an `http` registry', { secret: true }),
  logLevel: given(
    choice('debug', 'info', 'warn', 'error'),
    'info',
    'least severe level that is logged: `debug`, `info`, `warn` or `error`',
  ),
}

export type SettingName = keyof typeof SETTINGS

export type Values = {
  [K in SettingName]: (typeof SETTINGS)[K] extends Given<infer T>
    ? T
    : (typeof SETTINGS)[K] extends Setting<infer T>
      ? T | undefined
      : never
}

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name]
}

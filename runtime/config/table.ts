/**
 * Every setting, once. Its name in the file is the key here (`httpPort`); its flag (`--http-port`),
 * its variable (`SLUICE_HTTP_PORT`), `--help` and the README's table are made from it.
 */
import { availableParallelism, hostname } from 'node:os'
import {
  ADDRESS,
  BOOLEAN,
  DOMAIN,
  EXECUTABLE,
  NAME,
  NETWORKS,
  PATH,
  PORT,
  PORTS,
  TEXT,
  choice,
  duration,
  pattern,
  size,
  wholeNumber,
} from './kinds.js'
import type { SettingKind } from './kinds.js'

export interface Setting<T> {
  kind: SettingKind<T>
  /** Text, as a user would give it; undefined: nothing. */
  fallback?: string | (() => string)
  /** How the default is shown where it depends on the machine. */
  fallbackIs?: string
  means: string
  /**
   * Never a flag (other users of the machine see those) and never printed; may come from a file of
   * its own.
   */
  secret?: true
}

function optional<T>(
  kind: SettingKind<T>,
  means: string,
  more: Partial<Setting<T>> = {},
): Setting<T> {
  return { kind, means, ...more }
}

/** A setting that always has a value; the type keeps the two apart. */
export interface Given<T> extends Setting<T> {
  fallback: string | (() => string)
}

function given<T>(
  kind: SettingKind<T>,
  fallback: string | (() => string),
  means: string,
  more: Partial<Setting<T>> = {},
): Given<T> {
  return { kind, fallback, means, ...more }
}

const REGISTRY = pattern(
  'embedded, etcd://host:2379[,host…], etcds://host:2379[,host…], or for an agent http://host:8081 or unix:/path/api.sock',
  /^(embedded|etcds?:\/\/[\w.-]+(:\d{1,5})?(,[\w.-]+(:\d{1,5})?)*|https?:\/\/[\w.:[\]-]+\/?|unix:\/[^\s:]+)$/,
)
const DOCKER = pattern(
  'auto, off, or an address such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375',
  /^(auto|off|unix:\/\/\/\S+|(tcp|https?):\/\/[\w.:[\]-]+)$/,
)
const LISTEN = pattern(
  'addresses as nginx listens on them, such as 80 or 127.0.0.1:80, with commas between',
  /^(([\d.]+|\[[\da-fA-F:]+\]|\*):)?\d{1,5}(,(([\d.]+|\[[\da-fA-F:]+\]|\*):)?\d{1,5})*$/,
)

/** This machine's name as a name of ours. */
function hostId(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'host' : name
}

export const SETTINGS = {
  home: given(PATH, '.sluice', 'state, sockets, logs, fallback files, the private nginx'),
  bind: given(ADDRESS, '127.0.0.1', 'address that the gateway and the API listen at'),
  httpPort: given(PORT, '8080', 'where the gateway listens'),
  httpsPort: given(wholeNumber(0, 65535), '8443', 'where it speaks TLS; `0`: nowhere'),
  passthrough: given(BOOLEAN, 'true', 'whether routes by `sni` share that port'),
  http3: given(BOOLEAN, 'false', 'whether it speaks HTTP/3 there too, over UDP'),
  certificates: optional(
    PATH,
    'folder of certificates: `app.crt` and `app.key`, or certbot’s; watched',
  ),
  streamPorts: given(PORTS, '9100-9109', 'opened beforehand for TCP and UDP routes; `off`: none'),
  tunedPorts: given(
    PORTS,
    'off',
    'those of them whose TCP routes may have `timeouts` and `proxyProtocol`',
  ),
  proxyProtocolPorts: given(
    PORTS,
    'off',
    'those of these ports at which proxies in front speak the PROXY protocol, such as `8080,9100-9104`',
  ),
  trustedProxies: optional(
    NETWORKS,
    'whose word counts there: addresses and networks such as `10.0.0.0/8`, with commas',
  ),
  apiPort: given(PORT, '8081', 'REST and metrics'),
  apiToken: optional(TEXT, 'admin token, sent as `Authorization: Bearer …`', {
    secret: true,
    fallbackIs: 'made at first start, in the file `api-token` of the home',
  }),
  registry: given(REGISTRY, 'embedded', 'or `etcd://host:2379[,host…]`, `etcds://…`'),
  cluster: given(NAME, 'main', 'which part of the registry belongs together'),
  etcdUsername: optional(TEXT, 'user of etcd'),
  etcdPassword: optional(TEXT, 'its password', { secret: true }),
  etcdCa: optional(PATH, 'PEM file of the authority that signed etcd’s certificate'),
  etcdCertificate: optional(PATH, 'PEM file of the certificate shown to etcd'),
  etcdKey: optional(PATH, 'PEM file of its key'),
  trustedCa: optional(PATH, 'PEM file of the authorities that sign instances’ certificates', {
    fallbackIs: 'those that the system trusts',
  }),
  docker: given(DOCKER, 'auto', '`auto`, `off`, or the engine’s address'),
  domain: given(DOMAIN, 'localhost', 'an upstream `web` answers at Host `web.<domain>`'),
  zone: optional(NAME, 'where this gateway is: instances of the same zone are asked first', {
    fallbackIs: 'none: all zones are alike',
  }),
  workers: given(wholeNumber(1, 512), () => String(availableParallelism()), 'nginx workers', {
    fallbackIs: 'number of cores',
  }),
  nginx: optional(EXECUTABLE, 'path of an nginx of your own', { fallbackIs: 'the private one' }),
  engine: given(choice('njs', 'qjs'), 'njs', 'njs engine'),
  tableSize: given(size(1024 ** 2, 16 * 1024 ** 3), '256m', 'shared memory of the table'),
  pool: given(
    choice('auto', 'wide', 'off'),
    'auto',
    'kept-open connections to 1,000 peers; `wide`: to 10,000; `off`: peers by address',
  ),
  poolPort: given(
    wholeNumber(0, 65535),
    '0',
    'loopback port through which nginx learns of the pool',
    {
      fallbackIs: 'a free one, chosen at first start',
    },
  ),
  allowLoopback: optional(BOOLEAN, 'whether 127.0.0.0/8 and ::1 may serve', {
    fallbackIs: 'true where the registry is on this machine',
  }),
  mode: given(choice('gateway', 'file'), 'gateway', '`file`: for an nginx without njs'),
  fileDirectory: optional(PATH, 'file mode: where the files go', {
    fallbackIs: '`fallback` in the home',
  }),
  fileListen: optional(LISTEN, 'file mode: what the servers listen at', {
    fallbackIs: 'the HTTP port',
  }),
  reloadCommand: optional(TEXT, 'file mode: command that reloads nginx'),
  pidFile: optional(PATH, 'file mode: else this process gets SIGHUP'),
  minInterval: given(
    duration(0, 86_400_000),
    '1s',
    'file mode: never two reloads within this time',
  ),
  onetime: given(BOOLEAN, 'false', 'file mode: end after the first success'),
  agentId: given(NAME, hostId, 'stable id of this machine’s agent', {
    fallbackIs: 'from the host name',
  }),
  agentAddress: optional(ADDRESS, 'address to register published ports with', {
    fallbackIs: 'containers’ own addresses',
  }),
  agentTtl: given(duration(2000, 3_600_000), '15s', 'time after which a dead agent’s instances go'),
  agentToken: optional(TEXT, 'token for an `http` registry', { secret: true }),
  logLevel: given(choice('debug', 'info', 'warn', 'error'), 'info', 'least important log line'),
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

/** `httpPort` → `http-port`; a secret's value is no flag, the path of its file is. */
export function flagOf(name: SettingName): string {
  const kebab = name.replace(/[A-Z]/g, (letter) => '-' + letter.toLowerCase())
  return settingOf(name).secret === true ? kebab + '-file' : kebab
}

/** `httpPort` → `SLUICE_HTTP_PORT` */
export function variableOf(name: SettingName): string {
  return 'SLUICE_' + name.replace(/[A-Z]/g, (letter) => '_' + letter).toUpperCase()
}

export function defaultOf(name: SettingName): string | undefined {
  const { fallback } = settingOf(name)
  return typeof fallback === 'function' ? fallback() : fallback
}

/** The README's table. */
export function settingsTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { means, fallback, fallbackIs, secret } = settingOf(name)
    const shown = fallbackIs ?? (typeof fallback === 'string' ? '`' + fallback + '`' : '')
    const variable = '`' + variableOf(name) + '`' + (secret === true ? ', `…_FILE`' : '')
    return `| ${variable} | \`--${flagOf(name)}\` | ${shown} | ${means} |`
  })
  return ['| variable | flag | default | means |', '|---|---|---|---|', ...rows].join('\n')
}

/** What a request costs whose instances are reached over TLS or HTTP/2. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../lab/engines/certificates.js'
import type { Pem } from '../../lab/engines/certificates.js'
import type { BatchOperation } from '../../lab/load/rig.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { COUNTED, CONNECTIONS, applyAll, countEngines } from '../rig/growth.js'
import type { Grown } from '../rig/growth.js'
import { PlainNginx } from '../rig/plain-nginx.js'
import { counting } from '../rig/side-by-side.js'
import { ENGINES } from '../rig/sized.js'
import type { Bench, Part, PartResult } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'

const MEMBERS = Array.from({ length: 4 }, (_, n) => `127.8.9.${n + 1}`)
const NAME = 'peers.internal'

interface PeerKind {
  name: string
  what: string
  isTls: boolean
  isH2: boolean
  policy: object
}

const KINDS: PeerKind[] = [
  { name: 'tls', what: 'over TLS', isTls: true, isH2: false, policy: {} },
  { name: 'h2', what: 'over HTTP/2', isTls: false, isH2: true, policy: {} },
  { name: 'both', what: 'over HTTP/2 and TLS', isTls: true, isH2: true, policy: {} },
  {
    name: 'round',
    what: 'over TLS, `roundRobin`',
    ...{ isTls: true, isH2: false },
    policy: { balance: 'roundRobin' },
  },
]

export const keptPeersPart: Part = {
  name: 'kept-peers',
  about: 'instructions for a request to instances over TLS and HTTP/2',
  run,
}

const staticHost = ({ name }: PeerKind): string => `static-${name}.test`
const sluiceHost = ({ name }: PeerKind): string => `${name}.test`

async function run(bench: Bench): Promise<PartResult> {
  const ports = new Map<string, number>()
  for (const { name } of KINDS) {
    ports.set(name, await freePort())
  }
  await startBackends(bench, ports)
  const counted = await countEngines(bench, MEMBERS, () => ({
    sizes: [KINDS.length],
    asked: [...KINDS.map(staticHost), ...KINDS.map(sluiceHost)],
    servers: (port, includes) => printServers(port, includes, ports),
    grow: (rig) => applyAll(rig, operations(ports), 1000),
  }))
  return finding(counted)
}

async function startBackends(bench: Bench, ports: ReadonlyMap<string, number>): Promise<void> {
  const { nginx } = await tools()
  const folder = join(bench.folder, 'peers')
  mkdirSync(folder, { recursive: true })
  const pem = await (await makeAuthority(folder)).issue([NAME])
  const files = writePem(folder, pem)
  const servers = KINDS.flatMap(({ name, isTls, isH2 }) =>
    [...MEMBERS, '127.0.0.1'].map(
      (host) => `server { listen ${host}:${ports.get(name)}${isTls ? ' ssl' : ''};
    ${isTls ? files : ''} ${isH2 ? 'http2 on;' : ''} location / { return 200 "bench ${host}\\n"; } }`,
    ),
  )
  const started = await PlainNginx.start({
    nginx,
    folder,
    main: 'worker_processes 1;',
    configuration: servers.join('\n'),
    port: ports.get('h2') ?? 0,
  })
  bench.onEnd(() => started.stop())
}

function writePem(folder: string, { certificate, privateKey }: Pem): string {
  writeFileSync(join(folder, 'peers.crt'), certificate)
  writeFileSync(join(folder, 'peers.key'), privateKey)
  return `ssl_certificate "${folder}/peers.crt"; ssl_certificate_key "${folder}/peers.key";`
}

/** A static upstream of each kind, whose connections are kept. */
function printServers(port: number, includes: string, ports: ReadonlyMap<string, number>): string {
  return KINDS.map((kind) => {
    const { name, isTls, isH2 } = kind
    const members = MEMBERS.map((host) => `server ${host}:${ports.get(name)};`).join(' ')
    const { zone, limit } = counting(`static_${name}`)
    const tls = `proxy_ssl_server_name on; proxy_ssl_name ${NAME}; proxy_ssl_verify off;`
    const h2 = isH2 ? 'proxy_http_version 2;' : ''
    return `upstream static_${name} { zone static_${name} 256k; ${members} keepalive 256; }
${zone}
server { listen 127.0.0.1:${port}; server_name ${staticHost(kind)};
    location / { proxy_buffering off; ${limit} include "${includes}/headers.conf"; ${h2} ${isTls ? tls : ''}
        proxy_pass ${isTls ? 'https' : 'http'}://static_${name}; } }`
  }).join('\n')
}

function operations(ports: ReadonlyMap<string, number>): BatchOperation[] {
  const put = (path: string, body: object): BatchOperation => ({ method: 'PUT', path, body })
  return KINDS.flatMap((kind) => {
    const { name, isTls, isH2, policy } = kind
    const tls = isTls ? { tls: { serverName: NAME, verify: false } } : {}
    const protocol = isH2 ? { protocol: 'h2' } : {}
    return [
      put(`/v1/upstreams/${name}`, { policy, ...tls, ...protocol }),
      ...MEMBERS.map((host, i) =>
        put(`/v1/upstreams/${name}/instances/i${i}`, { host, port: ports.get(name) }),
      ),
      put(`/v1/routes/${name}`, { hosts: [sluiceHost(kind)], upstream: name }),
    ]
  })
}

function finding(counted: Grown[]): PartResult {
  const cells = ({ sluice }: Grown, at: number): string[] => {
    const [fixed = NaN] = sluice[at] ?? []
    const [value = NaN] = sluice[KINDS.length + at] ?? []
    return [count(fixed), count(value), ratio(value / fixed)]
  }
  return {
    title: 'What a request costs to instances over TLS and HTTP/2',
    how:
      `Upstreams of ${MEMBERS.length} instances; instructions of the worker for each of ${COUNTED} requests over ` +
      `${CONNECTIONS} connections, by callgrind, and against a static upstream of the same kind that keeps its connections:`,
    columns: ['', ...ENGINES.flatMap((engine) => ['static', engine, '/ static'])],
    rows: KINDS.map(({ what }, at) => [what, ...counted.flatMap((grown) => cells(grown, at))]),
    notes: [],
    numbers: { kinds: KINDS.map(({ what }) => what), counted },
  }
}

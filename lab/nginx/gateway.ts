// A real nginx with the rendered configuration, in a home of its own.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { Operation, GatewayState } from '../../contract/push.js'
import { makeOwnCertificate } from '../../cli/start/own-certificate.js'
import { FOLDERS, homePaths, renderConf, type ConfSettings } from '../../nginx/render.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { putModules } from '../build.js'
import { ask, type Answer, type Question } from '../ask.js'
import { startPoolResponder, type PoolResponder } from './pool-responder.js'
import { freePort } from '../ports.js'
import { difference, type Entries } from './table.js'
import { temporaryFolder } from '../temp.js'
import { tools } from '../tools.js'
import { until } from '../until.js'

/**
 * `njs` and `qjs`: the newest nginx with a pool; `byAddress`: without one; `stable`: Debian
 * stable's.
 */
export type GatewayKind = 'njs' | 'qjs' | 'byAddress' | 'stable'
export const GATEWAY_KINDS: GatewayKind[] = ['njs', 'qjs', 'byAddress', 'stable']

export interface GatewayOptions {
  rig: GatewayKind
  workers?: number
  tableBytes?: number
  connectTimeoutMs?: number
  /** Servers and the like of a user, inside `http{}`; a function gets a free port. */
  conf?: (port: number) => string
  /** Runs before nginx starts. */
  prepare?: (home: string) => Promise<unknown>
  /** Content of the fallback file at the start. */
  fallback?: (home: string) => string
  /** Another program to start than this nginx, such as one that runs it inside something. */
  program?: (nginx: NginxInfo) => NginxInfo
  /** False: none is written. */
  accessLog?: boolean
  /** Whether the pool is in shards; then a PoolDns has to answer with them. */
  wide?: boolean
  /** Ports for routes; undefined: nginx has no stream{}. */
  streamPorts?: string
  /** Those of them whose routes may be tuned. */
  tunedPorts?: string
  /** Whether routes by name share the HTTPS port; then nginx has stream{}. */
  passthrough?: boolean
  /** Ports at which the PROXY protocol is spoken, and whom nginx believes. */
  proxied?: (ports: { httpPort: number; httpsPort: number }) => {
    proxyProtocolPorts: string
    trustedProxies: string[]
  }
  /** Whether paths with `..` are passed on as they came. */
  rawPaths?: boolean
  /** Of TLS 1.2, in OpenSSL's words. */
  tlsCiphers?: string
  /** Connections of each worker; how long a call of gRPC and a TCP connection may be silent. */
  limits?: { connections?: number; grpcIdleMs?: number; tcpIdleMs?: number }
  /** Whether it speaks HTTP/3. */
  http3?: boolean
  /** User of the workers, where the tests are run by root; `nobody nogroup` by default. */
  user?: string
  /** PEM; of those that Node knows by default. */
  trustedCa?: string
}

export interface Gateway {
  rig: GatewayKind
  pool: boolean
  home: string
  httpPort: number
  httpsPort: number
  /** The port that `conf` was given. */
  userPort: number
  /** Where nginx asks for the pool's members. */
  poolPort: number
  responder: PoolResponder
  /** A request to the gateway's own port, or to another. */
  ask: (question: Question) => Promise<Answer>
  /** A call of the admin endpoint. */
  admin: (method: string, path: string, body?: unknown, headers?: object) => Promise<Answer>
  state: () => Promise<GatewayState>
  /** Claims the gateway if need be and makes the table hold exactly `units`. */
  setTable: (...units: Entries[]) => Promise<void>
  /** Waits until the pool has these peers. */
  fillPool: (...addresses: string[]) => Promise<void>
  /** Sum of the native and the dict's counts. */
  active: (sid: string) => Promise<number>
  counters: () => Promise<Record<string, number>>
  accessLog: () => Array<Record<string, unknown>>
  errorLog: () => string
  reload: () => Promise<void>
  restart: () => Promise<void>
}

interface TestLike {
  name: string
  passing(): boolean
  teardown(fn: () => unknown): void
  comment(...lines: unknown[]): void
}

export async function startGateway(t: TestLike, options: GatewayOptions): Promise<Gateway> {
  const home = temporaryFolder(t, 'gw')
  const nginx = await nginxOf(options.rig)
  const ports = {
    poolPort: await freePort(),
    httpPort: await freePort(),
    userPort: await freePort(),
    httpsPort: await freePort(),
  }
  const settings = confSettings(home, nginx, options, ports)
  await writeHome(settings, options, ports.userPort)
  const responder = await startPoolResponder(ports.poolPort)
  t.teardown(() => responder.stop())
  const { path } = options.program?.(nginx) ?? nginx
  const process = new Nginx(path, home, ports.httpPort)
  await process.start()
  t.teardown(async () => {
    if (!t.passing()) {
      t.comment(`${options.rig}: error.log\n${process.errorLog()}`)
    }
    await process.stop()
  })
  return gatewayOf(options.rig, settings, ports, responder, process)
}

async function nginxOf(rig: GatewayKind): Promise<NginxInfo> {
  const { nginx, nginxStable } = await tools()
  return rig === 'stable' ? nginxStable : nginx
}

function confSettings(
  home: string,
  nginx: NginxInfo,
  options: GatewayOptions,
  ports: { poolPort: number; httpPort: number; httpsPort: number },
): ConfSettings {
  const { rig, workers = 2, tableBytes = 8 * 1024 * 1024, connectTimeoutMs = 2000 } = options
  const { user = 'nobody nogroup', passthrough = false } = options
  const hasStream = options.streamPorts !== undefined || passthrough
  return {
    home,
    nginxVersion: nginx.version,
    modules: nginx.modules.filter((module) => hasStream || module.includes('http_js')),
    hasStream,
    passthrough,
    http3: options.http3 === true,
    rawPaths: options.rawPaths === true,
    ...(options.tlsCiphers !== undefined && { tlsCiphers: options.tlsCiphers }),
    hasGrpc: true,
    hasRealip: nginx.hasRealip,
    hasJit: nginx.hasJit,
    streamPorts: options.streamPorts ?? '',
    tunedPorts: options.tunedPorts ?? '',
    ...{ proxyProtocolPorts: '', trustedProxies: [], ...options.proxied?.(ports) },
    pool: rig === 'njs' || rig === 'qjs',
    wide: options.wide === true,
    poolPort: ports.poolPort,
    engine: rig === 'qjs' ? 'qjs' : 'njs',
    tableBytes,
    maxBodyBytes: 100 * 1024 * 1024,
    ...{ connections: 8192, grpcIdleMs: 3_600_000, tcpIdleMs: 600_000, ...options.limits },
    workers,
    bind: '127.0.0.1',
    httpPort: ports.httpPort,
    httpsPort: ports.httpsPort,
    user: process.getuid?.() === 0 ? user : undefined,
    accessLog: options.accessLog === false ? undefined : `${home}/logs/access.log`,
    connectTimeoutMs,
    trustedCa: options.trustedCa ?? rootCertificates.join('\n'),
  }
}

const NOBODY = 65534

async function writeHome(settings: ConfSettings, options: GatewayOptions, userPort: number) {
  const { home } = settings
  for (const folder of FOLDERS) {
    mkdirSync(join(home, folder), { recursive: true, mode: 0o755 })
  }
  chmodSync(join(home, 'run'), 0o700)
  chmodSync(join(home, 'hop'), 0o700)
  if (settings.user !== undefined) {
    chmodSync(home, 0o711)
    chmodSync(join(home, 'hop'), 0o710)
    chownSync(join(home, 'hop'), 0, NOBODY)
  }
  for (const [name, text] of Object.entries(renderConf(settings))) {
    const isMain = name === 'nginx.conf'
    const more = isMain && options.conf ? options.conf(userPort).replaceAll('$HOME', home) : ''
    writeFileSync(
      join(home, name),
      more ? text.replace(/\}\n(?=$|\nstream \{)/, `${more}\n}\n`) : text,
    )
  }
  if (options.fallback) {
    writeFileSync(join(home, 'fallback/sluice-upstreams.conf'), options.fallback(home))
  }
  await makeOwnCertificate({ home, domains: ['localhost'] })
  await putModules(join(home, 'sluice'), settings.engine ?? 'njs')
  await options.prepare?.(home)
}

class Nginx {
  #child: ChildProcess | undefined
  constructor(
    readonly path: string,
    readonly home: string,
    readonly port: number,
  ) {}

  async start(): Promise<void> {
    const conf = join(this.home, 'nginx.conf')
    let output = ''
    const child = spawn(this.path, ['-c', conf, '-g', 'daemon off;'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    }
    this.#child = child
    const socketPath = homePaths(this.home).adminSocket
    const alive = async (): Promise<boolean> => {
      if (child.exitCode !== null) {
        return true
      }
      return (await ask({ socketPath, path: '/alive' })).status === 200
    }
    await until(alive, { what: 'nginx to answer', deadlineMs: 30_000 })
    if (child.exitCode !== null) {
      throw new Error(`nginx ended: ${output}\n${this.errorLog()}`)
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) {
      return
    }
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(timer)
  }

  reload(): void {
    this.#child?.kill('SIGHUP')
  }

  errorLog(): string {
    const file = homePaths(this.home).errorLog
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }
}

function gatewayOf(
  rig: GatewayKind,
  settings: ConfSettings,
  ports: { httpPort: number; httpsPort: number; userPort: number; poolPort: number },
  responder: PoolResponder,
  nginx: Nginx,
): Gateway {
  const { home, pool } = settings
  const socketPath = homePaths(home).adminSocket
  let table: Entries = new Map()
  let epoch = 0

  const admin: Gateway['admin'] = (method, path, body, headers) => {
    const json = { 'content-type': 'application/json' }
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    return ask({
      socketPath,
      method,
      path,
      ...(text !== undefined && { body: text }),
      headers: { ...(text !== undefined && json), ...headers },
    })
  }
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await admin(method, path, body)
    if (answer.status !== 200) {
      throw new Error(`${path}: ${answer.status} ${answer.body}`)
    }
    return answer.json as T
  }
  const state = (): Promise<GatewayState> => call('GET', '/state')

  const push = async (operations: Operation[]): Promise<void> => {
    let { revision } = await state()
    for (let i = 0; i === 0 || i < operations.length; i += 500) {
      const part = operations.slice(i, i + 500)
      const whole = i + 500 >= operations.length
      const to = whole ? revision + 1 : revision
      await call('POST', '/delta', { epoch, from: revision, to, whole, operations: part })
      revision = to
    }
  }
  const setTable: Gateway['setTable'] = async (...units) => {
    const there = await state()
    if (epoch === 0 || there.epoch !== epoch) {
      if (there.epoch === 0) {
        table = new Map()
      }
      const expect = there.epoch
      epoch = Math.max(epoch, expect) + 1
      await call('POST', '/claim', { epoch, expect })
    }
    const next: Entries = new Map(units.flatMap((unit) => [...unit]))
    await push(difference(table, next))
    table = next
  }

  const counted = async (sid: string): Promise<number> => {
    const { workers } = await state()
    const { active } = await call<{ active: number[] }>('POST', '/active', {
      sids: [sid],
      pids: workers,
    })
    let sum = active[0] ?? 0
    for (const pid of workers) {
      let limit = 1
      while ((await admin('GET', `/probe/${limit}?sid=${sid}&pid=${pid}`)).body === '1') {
        limit += 1
      }
      sum += limit - 1
    }
    return sum
  }
  const fillPool: Gateway['fillPool'] = async (...addresses) => {
    responder.setPeers(addresses)
    if (!pool) {
      return
    }
    // The third round shows that the answer to the second has been applied.
    const from = responder.rounds()
    await until(() => responder.rounds() >= from + 3, {
      what: 'the pool',
    })
  }

  return {
    rig,
    pool,
    home,
    responder,
    admin,
    state,
    setTable,
    fillPool,
    httpPort: ports.httpPort,
    httpsPort: ports.httpsPort,
    userPort: ports.userPort,
    poolPort: ports.poolPort,
    active: counted,
    ask: (question) => ask({ port: ports.httpPort, ...question }),
    counters: () => call('GET', '/counters'),
    accessLog: () => {
      const file = join(home, 'logs/access.log')
      const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
      return lines.filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>)
    },
    errorLog: () => nginx.errorLog(),
    reload: async () => {
      const before = (await state()).workers
      nginx.reload()
      await until(async () => (await state()).workers.some((pid) => !before.includes(pid)))
    },
    restart: async () => {
      await nginx.stop()
      await nginx.start()
    },
  }
}

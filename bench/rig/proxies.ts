/** The proxies that are compared, each with a way to change it. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { Pool } from 'undici'
import { freePort } from '../../lab/ports.js'
import { until } from '../../lab/until.js'
import { startSideBySide } from './side-by-side.js'
import { caddy, haproxy } from './fetched.js'
import type { Bench } from '../report/report.js'

/** Backends: the first ones serve all the while; of the moving ones, one at a time does. */
export interface BackendHosts {
  hosts: string[]
  moving: [string, string]
  port: number
}

/**
 * A proxy with one worker or thread, and an upstream under load of which one instance can be moved.
 */
export interface Proxy {
  name: string
  /** Its version, and how it is changed. */
  about: string
  port: number
  /** The upstream under load, at `<upstream>.localhost`; `probe` has the moving instance alone. */
  upstream: string
  pids(): number[]
  /**
   * Puts the moving instance where an even or odd number has it. Undefined: it cannot be changed.
   */
  move?: (upstream: string, number: number) => Promise<void>
}

export function movingHost({ moving }: BackendHosts, number: number): string {
  return moving[number % 2] ?? ''
}

/** Sluice, and before it the static upstream of the same nginx and that again. */
export async function startNginxes(bench: Bench, backends: BackendHosts): Promise<Proxy[]> {
  const { hosts, port: backend } = backends
  const all = [...hosts, movingHost(backends, 0)]
  const { rig, nginx, port } = await startSideBySide(bench, { engine: 'njs', hosts: all, backend })
  const common = { port, pids: () => nginx.workers() }
  const move = async (upstream: string, number: number): Promise<void> => {
    const body = { host: movingHost(backends, number), port: backend }
    const id = `i${upstream === 'probe' ? 0 : hosts.length}`
    await rig.change('PUT', `/v1/upstreams/${upstream}/instances/${id}`, body)
  }
  await move('probe', 0)
  return [
    { ...common, name: 'nginx, static', about: '', upstream: 'static' },
    { ...common, name: 'nginx, static again (control)', about: '', upstream: 'again' },
    { ...common, name: 'Sluice', about: 'njs; REST, applied', upstream: 'sluice', move },
  ]
}

/** Stops what was started with the signal that it ends by. */
function startProgram(bench: Bench, path: string, flags: string[], env: NodeJS.ProcessEnv): number {
  const stdio: ['ignore', 'ignore', 'inherit'] = ['ignore', 'ignore', 'inherit']
  const child = spawn(path, flags, { stdio, env: { ...process.env, ...env } })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  bench.onEnd(async () => {
    if (child.exitCode !== null) {
      return
    }
    // Those that would wait for connections to end are not waited for: nothing of them is kept.
    child.kill('SIGKILL')
    await ended
  })
  return child.pid ?? 0
}

export async function startHaproxy(bench: Bench, backends: BackendHosts): Promise<Proxy> {
  const { path, version } = await haproxy((line) => bench.say(line))
  const folder = join(bench.folder, 'haproxy')
  mkdirSync(folder)
  const [port, socket] = [await freePort(), join(folder, 'admin.sock')]
  writeFileSync(join(folder, 'haproxy.cfg'), printHaproxy(backends, port, socket))
  const pid = startProgram(bench, path, ['-db', '-q', '-f', join(folder, 'haproxy.cfg')], {})
  const line = await CommandLine.open(socket)
  bench.onEnd(() => line.close())
  return {
    name: 'HAProxy',
    about: `HAProxy ${version}, one thread; runtime API, "set server"`,
    port,
    upstream: 'load',
    pids: () => [pid],
    move: async (upstream, number) => {
      const to = `${movingHost(backends, number)} port ${backends.port}`
      const said = await line.ask(`set server ${upstream}.localhost/moving addr ${to}`)
      if (!/changed from|nothing changed|no need to change/.test(said)) {
        throw new Error(`HAProxy: ${said}`)
      }
    },
  }
}

function printHaproxy(backends: BackendHosts, port: number, socket: string): string {
  const { hosts, port: backend } = backends
  const server = (name: string, host: string): string => `    server ${name} ${host}:${backend}\n`
  const moving = server('moving', movingHost(backends, 0))
  return `global
    nbthread 1
    maxconn 4096
    stats socket "${socket}" mode 600 level admin
    stats timeout 1h
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
frontend front
    bind 127.0.0.1:${port}
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    use_backend %[req.hdr(host)]
backend load.localhost
${hosts.map((host, index) => server(`s${index}`, host)).join('')}${moving}
backend probe.localhost
${moving}`
}

/** HAProxy's runtime API over one connection that stays open. */
class CommandLine {
  readonly #socket: Socket
  #received = ''
  #answered: (said: string) => void = () => undefined
  #failed: (error: Error) => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => this.#failed(new Error('HAProxy closed its runtime API')))
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#received += text
      if (!this.#received.endsWith('\n> ')) {
        return
      }
      const said = this.#received.slice(0, -2).trim()
      this.#received = ''
      this.#answered(said)
    })
  }

  static async open(path: string): Promise<CommandLine> {
    const socket = await until(
      () =>
        new Promise<Socket>((resolve, reject) => {
          const opened = connect(path, () => resolve(opened))
          opened.once('error', reject)
        }),
      { what: 'HAProxy' },
    )
    const line = new CommandLine(socket)
    await line.ask('prompt')
    return line
  }

  ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#socket.write(`${command}\n`)
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

export async function startCaddy(bench: Bench, backends: BackendHosts): Promise<Proxy> {
  const { path, version } = await caddy((line) => bench.say(line))
  const folder = join(bench.folder, 'caddy')
  mkdirSync(folder)
  const [port, admin] = [await freePort(), await freePort()]
  const file = join(folder, 'caddy.json')
  writeFileSync(file, JSON.stringify(caddyConfiguration(backends, port, admin)))
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, GOMAXPROCS: '1' }
  const pid = startProgram(bench, path, ['run', '--config', file], env)
  const api = new Pool(`http://127.0.0.1:${admin}`, { connections: 1 })
  bench.onEnd(() => api.destroy())
  const call = async (method: 'GET' | 'PATCH', at: string, body?: unknown): Promise<void> => {
    const headers = { 'content-type': 'application/json' }
    const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) }
    const answer = await api.request({ method, path: at, ...sent })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) {
      throw new Error(`Caddy: ${answer.statusCode} ${text}`)
    }
  }
  await until(async () => (await call('GET', '/config/'), true), { what: 'Caddy' })
  return {
    name: 'Caddy',
    about: `Caddy ${version}, GOMAXPROCS=1; admin API, PATCH of the upstreams`,
    port,
    upstream: 'load',
    pids: () => [pid],
    move: (upstream, number) =>
      call('PATCH', `/id/${upstream}/upstreams`, caddyUpstreams(backends, upstream, number)),
  }
}

function caddyUpstreams(
  backends: BackendHosts,
  upstream: string,
  number: number,
): { dial: string }[] {
  const { hosts, port } = backends
  const all = [...(upstream === 'probe' ? [] : hosts), movingHost(backends, number)]
  return all.map((host) => ({ dial: `${host}:${port}` }))
}

function caddyConfiguration(backends: BackendHosts, port: number, admin: number): unknown {
  const route = (upstream: string): unknown => ({
    match: [{ host: [`${upstream}.localhost`] }],
    handle: [
      {
        '@id': upstream,
        handler: 'reverse_proxy',
        upstreams: caddyUpstreams(backends, upstream, 0),
        load_balancing: { selection_policy: { policy: 'round_robin' } },
        transport: { protocol: 'http', keep_alive: { max_idle_conns_per_host: 256 } },
      },
    ],
  })
  const server = {
    listen: [`127.0.0.1:${port}`],
    protocols: ['h1'],
    automatic_https: { disable: true },
    routes: [route('load'), route('probe')],
  }
  return {
    admin: { listen: `127.0.0.1:${admin}`, config: { persist: false } },
    logging: { logs: { default: { level: 'FATAL' } } },
    apps: { http: { servers: { server } } },
  }
}

/** A Sluice as a user runs it, and calls of its API. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Pool } from 'undici'
import { childPids, commandOf, hasEnded } from './processes.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { freePort } from '../ports.js'
import { buildIfStale } from '../build.js'
import { PROGRAM } from '../nginx/started.js'
import { makeTemporaryFolder, removeFolder } from '../temp.js'
import { until } from '../until.js'

export interface RigOptions {
  name: string
  nginx: NginxInfo
  engine?: 'njs' | 'qjs'
  pool?: 'auto' | 'off'
  workers?: number
  /** `start`: all of it. `controller`: that alone, beside an nginx that the caller runs. */
  command?: 'start' | 'controller'
  /** Called when the home is there and nothing runs yet. */
  prepare?: (rig: Rig) => Promise<void>
  /** Further `SLUICE_…` settings. */
  env?: Record<string, string>
}

export interface Answered {
  status: number
  body: Body
}

/** The fields of answers that are looked at; the OpenAPI document has all of them. */
export interface Body {
  applied?: boolean
  revision?: number
  state?: string
  drained?: boolean
  active?: number
  code?: string
  fingerprint?: string
  instances?: { id: string; host: string; port: number; weight: number; state: string }[]
  gateways?: { id: string; applied: number; desired: number; connected: boolean }[]
}

export interface BatchOperation {
  method: string
  path: string
  body?: unknown
}

/** All of Sluice, as `sluice start` runs it, in a home of its own; or only its controller. */
export class Rig {
  readonly home: string
  readonly httpPort: number
  readonly httpsPort: number
  /** The one that is open for TCP and UDP routes. */
  readonly streamPort: number
  readonly env: NodeJS.ProcessEnv
  readonly #command: string
  #api: Pool
  #supervisor: ChildProcess | undefined

  constructor(home: string, env: NodeJS.ProcessEnv, command: string) {
    this.home = home
    this.httpPort = Number(env.SLUICE_HTTP_PORT)
    this.httpsPort = Number(env.SLUICE_HTTPS_PORT)
    this.streamPort = Number(env.SLUICE_STREAM_PORTS)
    this.env = env
    this.#command = command
    this.#api = this.#connect()
  }

  /**
   * Starts the supervisor (also one that takes over what runs) and waits until the API is ready.
   */
  async start(): Promise<void> {
    const log = openSync(join(this.home, 'start.log'), 'a')
    this.#supervisor = spawn(process.execPath, [PROGRAM, this.#command], {
      cwd: this.home,
      env: this.env,
      stdio: ['ignore', log, log],
    })
    await this.whenReady()
  }

  async whenReady(): Promise<void> {
    const ready = async (): Promise<boolean> => {
      const supervisor = this.#supervisor
      if (supervisor?.exitCode !== null) {
        throw new Error('sluice start has ended')
      }
      return (await this.call('GET', '/readyz')).status === 200
    }
    try {
      await until(ready, { deadlineMs: 90_000, what: 'sluice start' })
    } catch (error) {
      throw new Error(`${String(error)}\n${this.log()}`, { cause: error })
    }
  }

  /** The last lines of what it printed. */
  log(): string {
    return readFileSync(join(this.home, 'start.log'), 'utf8').slice(-4000)
  }

  async call(method: string, path: string, body?: unknown): Promise<Answered> {
    const answer = await this.#api.request({
      method,
      path,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, body: /^[{[]/.test(text) ? (JSON.parse(text) as Body) : {} }
  }

  /** A change that the gateway has applied. Rejects when it was refused or is pending. */
  async change(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.call(method, path, body)
    if (answer.status < 200 || answer.status > 299 || answer.body.applied !== true) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return answer.body
  }

  async batch(operations: BatchOperation[]): Promise<void> {
    for (let from = 0; from < operations.length; from += 1000) {
      await this.change('POST', '/v1/batch', { operations: operations.slice(from, from + 1000) })
    }
  }

  get supervisorPid(): number {
    return this.#supervisor?.pid ?? 0
  }

  /** 0 when no nginx of ours was started. */
  nginxPid(): number {
    const file = join(this.home, 'run/nginx.pid')
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  }

  workers(): number[] {
    return childPids(this.nginxPid())
  }

  /** Pid of a part that the supervisor runs; 0 when it runs none. */
  partPid(part: 'controller' | 'agent'): number {
    const named = new RegExp(`sluice\\S* ${part}\\b`)
    return childPids(this.supervisorPid).find((pid) => named.test(commandOf(pid))) ?? 0
  }

  /** A digest of every file that nginx reads its configuration from. */
  configuration(): string {
    const hash = createHash('sha256')
    const below = (folder: string): string[] =>
      readdirSync(join(this.home, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
    for (const file of [join(this.home, 'nginx.conf'), ...below('sluice')].sort()) {
      hash.update(`${file}\0`).update(readFileSync(file))
    }
    return hash.digest('hex')
  }

  /** kill -9 of the supervisor alone. */
  async killSupervisor(): Promise<void> {
    const supervisor = this.#supervisor
    if (supervisor === undefined || supervisor.exitCode !== null) {
      return
    }
    const ended = new Promise((resolve) => supervisor.once('exit', resolve))
    supervisor.kill('SIGKILL')
    await ended
  }

  /**
   * Ends all of it the way a user does, and removes the home. Rejects when something of it lives
   * on.
   */
  async stop(): Promise<void> {
    await this.#api.destroy()
    const supervisor = this.#supervisor
    this.#supervisor = undefined
    if (supervisor?.pid === undefined) {
      return
    }
    const parts = [this.partPid('controller'), this.partPid('agent'), this.nginxPid()]
    const pids = [supervisor.pid, ...parts].filter((pid) => pid > 0)
    supervisor.kill('SIGTERM')
    try {
      await until(() => pids.every(hasEnded), { deadlineMs: 20_000, what: 'the end of Sluice' })
    } finally {
      pids.filter((pid) => !hasEnded(pid)).forEach((pid) => process.kill(pid, 'SIGKILL'))
      removeFolder(this.home)
    }
  }

  #connect(): Pool {
    const socketPath = join(this.home, 'api.sock')
    return new Pool('http://localhost', { socketPath, connections: 64, headersTimeout: 60_000 })
  }
}

export async function startRig(options: RigOptions): Promise<Rig> {
  await buildIfStale()
  const home = makeTemporaryFolder(options.name)
  // nginx's workers are another user when we are root, and have sockets below.
  chmodSync(home, 0o755)
  const env = {
    ...process.env,
    SLUICE_HOME: home,
    SLUICE_HTTP_PORT: String(await freePort()),
    SLUICE_HTTPS_PORT: String(await freePort()),
    SLUICE_STREAM_PORTS: String(await freePort()),
    SLUICE_API_PORT: String(await freePort()),
    SLUICE_NGINX: options.nginx.path,
    SLUICE_ENGINE: options.engine ?? 'njs',
    SLUICE_POOL: options.pool ?? 'auto',
    SLUICE_WORKERS: String(options.workers ?? 2),
    SLUICE_DOCKER: 'off',
    ...options.env,
  }
  const rig = new Rig(home, env, options.command ?? 'start')
  try {
    await options.prepare?.(rig)
    await rig.start()
  } catch (error) {
    await rig.stop()
    throw error
  }
  return rig
}

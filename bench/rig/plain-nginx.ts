/** An nginx with a configuration of the bench's own. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { tempPathLines } from '../../contract/temp-paths.js'
import { runCommand } from '../../setup/command.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { until } from '../../lab/until.js'
import { childPids } from '../../lab/load/processes.js'

/**
 * An nginx whose configuration is written by hand: what Sluice is compared with, and backends that
 * cost little.
 */
export class PlainNginx {
  readonly #process: ChildProcess
  readonly #nginx: NginxInfo
  readonly #folder: string

  private constructor(nginx: NginxInfo, folder: string) {
    this.#nginx = nginx
    this.#folder = folder
    this.#process = spawn(nginx.path, this.#flags(), { stdio: ['ignore', 'ignore', 'inherit'] })
  }

  /**
   * `configuration` goes inside http{}, `main` before it, and `stream`, if any, inside stream{};
   * resolves once `port` is listened at.
   */
  static async start(options: {
    nginx: NginxInfo
    folder: string
    main: string
    configuration: string
    port: number
    stream?: string
    /** Of each worker. */
    connections?: number
  }): Promise<PlainNginx> {
    const { nginx, folder, port } = options
    mkdirSync(join(folder, 'logs'), { recursive: true })
    writeFileSync(join(folder, 'nginx.conf'), printConfiguration(options))
    const started = new PlainNginx(nginx, folder)
    // In callgrind, on a busy machine, it takes its time.
    await until(() => answers(port), { deadlineMs: 60_000, what: `an nginx at port ${port}` })
    return started
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  workers(): number[] {
    return childPids(this.pid)
  }

  /**
   * Writes the new configuration and runs `nginx -s reload`; resolves when that command has ended.
   */
  async reload(options: { main: string; configuration: string }): Promise<void> {
    writeFileSync(join(this.#folder, 'nginx.conf'), printConfiguration(options))
    const result = await runCommand(this.#nginx.path, [...this.#flags(), '-s', 'reload'])
    if (result.code !== 0) {
      throw new Error(`nginx -s reload: ${result.stderr}`)
    }
  }

  /**
   * A reload of what is there: new workers, whose memory no request has touched. Resolves when the
   * old ones are gone.
   */
  async renewWorkers(): Promise<void> {
    const old = this.workers()
    this.#process.kill('SIGHUP')
    const renewed = (): boolean => {
      const now = this.workers()
      return now.length === old.length && !now.some((pid) => old.includes(pid))
    }
    await until(renewed, { deadlineMs: 60_000, what: 'new workers alone' })
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
      return
    }
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGTERM')
    await ended
  }

  #flags(): string[] {
    return ['-p', this.#folder, '-c', join(this.#folder, 'nginx.conf'), '-e', 'logs/error.log']
  }
}

interface Configured {
  main: string
  configuration: string
  stream?: string
  connections?: number
}

function printConfiguration(configured: Configured): string {
  const { main, configuration, stream, connections = 4096 } = configured
  // Under root, workers would become another user that cannot enter a temporary folder.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return `${main}
${user}daemon off;
pid nginx.pid;
error_log logs/error.log error;
worker_rlimit_nofile ${connections + 1024};
events { worker_connections ${connections}; }
http {
    access_log off;
    keepalive_requests 100000000;
    server_names_hash_max_size 4096;
    ${tempPathLines('logs').join('\n    ')}
${configuration}
}
${
  stream === undefined
    ? ''
    : `stream {
${stream}
}
`
}`
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const end = (result: boolean) => (): void => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', end(true))
    socket.once('error', end(false))
  })
}

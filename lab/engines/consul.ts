/** A real Consul server on loopback, which tests stop, kill, freeze and empty. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePortRange } from '../ports.js'
import { makeTemporaryFolder, removeFolder } from '../temp.js'
import { consulProgram } from '../tools.js'
import { until } from '../until.js'

/** Starts a real Consul of one server on loopback, with data that goes when it is stopped. */
export async function startConsul(): Promise<Consul> {
  const consul = new Consul(makeTemporaryFolder('consul'), await freePortRange(3))
  await consul.restart()
  return consul
}

export class Consul {
  readonly url: string
  readonly #folder: string
  readonly #port: number
  #process: ChildProcess | undefined
  #words = ''

  constructor(folder: string, port: number) {
    this.#folder = folder
    this.#port = port
    this.url = `http://127.0.0.1:${port}`
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    await this.kill9()
    removeFolder(this.#folder)
  }

  async kill9(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (!running || running.exitCode !== null || running.signalCode !== null) {
      return
    }
    const gone = once(running, 'exit')
    running.kill('SIGKILL')
    await gone
  }

  /** Ends it, if it runs, and starts it with the same data at the same address. */
  async restart(): Promise<void> {
    await this.kill9()
    const program = await consulProgram()
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
    const child = spawn(program, this.#flags(), { stdio })
    this.#process = child
    this.#words = ''
    const keep = (chunk: unknown): void => {
      this.#words = (this.#words + String(chunk)).slice(-4000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    await until(() => this.#hasLeader(), { deadlineMs: 30_000, what: 'a Consul with a leader' })
  }

  /** The same address, and nothing that was in it. */
  async wipe(): Promise<void> {
    await this.kill9()
    removeFolder(join(this.#folder, 'data'))
    await this.restart()
  }

  /** A call of its HTTP API: `PUT /v1/agent/service/register`. Rejects unless it answers 200. */
  async put(path: string, body?: unknown): Promise<void> {
    const init = { method: 'PUT', body: body === undefined ? null : JSON.stringify(body) }
    const answer = await fetch(`${this.url}/v1/${path}`, init)
    const text = await answer.text()
    if (answer.status !== 200) {
      throw new Error(`Consul answered ${answer.status} to ${path}: ${text}`)
    }
  }

  #flags(): string[] {
    const [http, rpc, serf] = [this.#port, this.#port + 1, this.#port + 2]
    const ports = { http, server: rpc, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1 }
    const settings = {
      ports,
      performance: { raft_multiplier: 1 },
      disable_update_check: true,
      leave_on_terminate: false,
    }
    const file = join(this.#folder, 'consul.json')
    writeFileSync(file, JSON.stringify(settings))
    return [
      ...['agent', '-server', '-bootstrap-expect=1', '-node=node1', '-log-level=warn'],
      ...['-bind=127.0.0.1', '-client=127.0.0.1', `-data-dir=${join(this.#folder, 'data')}`],
      `-config-file=${file}`,
    ]
  }

  async #hasLeader(): Promise<boolean> {
    if (this.#process?.exitCode !== null) {
      throw new Error(`Consul ended: ${this.#words}`)
    }
    const answer = await fetch(`${this.url}/v1/catalog/nodes`)
    return answer.status === 200 && ((await answer.json()) as unknown[]).length > 0
  }
}

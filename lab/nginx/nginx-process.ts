// An nginx in the foreground, started and stopped by its pid.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { homePaths } from '../../nginx/render.js'
import { ask } from '../ask.js'
import { until } from '../until.js'

export class Nginx {
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

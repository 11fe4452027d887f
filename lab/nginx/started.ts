/** `sluice start` as a user runs it, in a home of its own. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { childPids, isAlive } from '../load/processes.js'
import { freePort } from '../ports.js'
import { temporaryFolder } from '../temp.js'
import { repository, tools } from '../tools.js'
import { until } from '../until.js'

/** What is tried is what users run: the built program. */
export const PROGRAM = join(repository, 'dist/sluice.js')

export function run(command: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    }
    child.on('close', (code) => resolve({ code, output }))
  })
}

/** A `sluice start` in a home of its own. */
export class Started {
  output = ''
  code: number | null | undefined
  readonly #child: ChildProcess

  /** @param stdout A file in which it prints; else that is part of `output`. */
  constructor(environment: NodeJS.ProcessEnv, stdout?: string) {
    const file = stdout === undefined ? undefined : openSync(stdout, 'w')
    this.#child = spawn(process.execPath, [PROGRAM, 'start'], {
      env: environment,
      stdio: ['ignore', file ?? 'pipe', 'pipe'],
    })
    if (file !== undefined) {
      closeSync(file)
    }
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk))
    }
    this.#child.on('exit', (code) => (this.code = code))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async whenUp(): Promise<void> {
    await until(
      () => {
        if (this.code !== undefined) {
          throw new Error('it has ended')
        }
        return this.output.includes('Ctrl-C stops')
      },
      { deadlineMs: 40_000, what: 'sluice start' },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.output}`)
    })
  }

  async whenEnded(): Promise<number | null> {
    await until(() => this.code !== undefined, {
      deadlineMs: 20_000,
      what: 'the end of sluice start',
    })
    return this.code ?? null
  }

  partPid(name: string): number {
    return (
      childPids(this.pid).find((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`sluice.js\0${name}\0`),
      ) ?? 0
    )
  }
}

export interface Home {
  folder: string
  httpPort: number
  httpsPort: number
  apiPort: number
  /** The one that is open for TCP and UDP routes. */
  streamPort: number
  environment: NodeJS.ProcessEnv
}

export async function makeHome(t: Test, more: Record<string, string> = {}): Promise<Home> {
  const folder = temporaryFolder(t, 'start')
  chmodSync(folder, 0o755)
  const { nginx } = await tools()
  const [httpPort, httpsPort, apiPort] = [await freePort(), await freePort(), await freePort()]
  const streamPort = await freePort()
  const environment = {
    ...process.env,
    SLUICE_HOME: folder,
    SLUICE_HTTP_PORT: String(httpPort),
    SLUICE_HTTPS_PORT: String(httpsPort),
    SLUICE_STREAM_PORTS: String(streamPort),
    SLUICE_API_PORT: String(apiPort),
    SLUICE_NGINX: nginx.path,
    SLUICE_WORKERS: '2',
    SLUICE_DOCKER: 'off',
    ...more,
  }
  return { folder, httpPort, httpsPort, apiPort, streamPort, environment }
}

export function nginxPid({ folder }: Home): number {
  return Number(readFileSync(join(folder, 'run/nginx.pid'), 'utf8'))
}

/** Stops it the way a user does, and kills what would be left if that failed. */
export function stopAtEnd(t: Test, home: Home, current: () => Started | undefined): void {
  t.teardown(async () => {
    const started = current()
    if (started !== undefined && started.code === undefined) {
      started.kill('SIGTERM')
      await started.whenEnded()
    }
    const file = join(home.folder, 'run/nginx.pid')
    if (existsSync(file)) {
      const pid = Number(readFileSync(file, 'utf8'))
      const pids = [pid, ...(existsSync(`/proc/${pid}`) ? childPids(pid) : [])]
      pids.filter(isAlive).forEach((each) => process.kill(each, 'SIGKILL'))
    }
  })
}

export async function startSluice(t: Test, home: Home): Promise<Started> {
  const started = new Started(home.environment)
  stopAtEnd(t, home, () => started)
  await started.whenUp()
  return started
}

export async function sluice(home: Home, ...args: string[]): Promise<string> {
  const { code, output } = await run(
    [process.execPath, PROGRAM, ...args, '--home', home.folder].join(' '),
  )
  if (code !== 0) {
    throw new Error(`sluice ${args.join(' ')}: exit code ${code}: ${output}`)
  }
  return output
}

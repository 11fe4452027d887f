/** A process of Sluice that the supervisor starts, and starts again when it dies. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Backoff } from '../../runtime/retry.js'
import type { LogFile } from './log-file.js'

const BACKOFF = { firstMs: 200, mostMs: 10_000 }
/** One that ran this long was well: its next death is a new one. */
const HEALTHY_MS = 10_000
const WARN = 40
const LAST_LINES = 5
/** What every log line has. */
const FRAME = ['level', 'time', 'part', 'msg', 'pid', 'hostname']
const LONGEST_FACT = 300
/** Newer Node closes this door from the first moment; see quiet-signals.ts. */
const NO_INSPECTOR = ['--disable-sigusr1'].filter((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
)

export interface SupervisedProcessOptions {
  /** `controller`: how it is called in messages. */
  name: string
  program: string
  args: string[]
  environment: NodeJS.ProcessEnv
  log: LogFile
  say: (line: string) => void
}

/** `{"level":40,"msg":"…"}` as a line for people, or undefined when it is of no importance. */
function importantLine(line: string): string | undefined {
  try {
    const record = JSON.parse(line) as Record<string, unknown>
    const facts = Object.entries(record)
      .filter(([key]) => !FRAME.includes(key))
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`.slice(0, LONGEST_FACT))
    const important = typeof record['level'] === 'number' && record['level'] >= WARN
    return important ? [record['msg'], ...facts].join(' ') : undefined
  } catch {
    // Not one of our log lines: whatever printed it had a reason.
    return line
  }
}

/**
 * One process of Sluice that is started again when it dies. It has a process group of its own, so
 * that Ctrl-C reaches the supervisor alone, and a channel to it, at whose end it stops by itself.
 */
export class SupervisedProcess {
  readonly #options: SupervisedProcessOptions
  readonly #backoff = new Backoff(BACKOFF)
  #process: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #exited: Promise<void> = Promise.resolve()
  #lastLines: string[] = []
  #failures = 0

  constructor(options: SupervisedProcessOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** How often it ended without being asked to. */
  get failures(): number {
    return this.#failures
  }

  /** What it said last of importance. */
  get lastWords(): string {
    return this.#lastLines.join('\n')
  }

  start(): void {
    const { program, args, environment } = this.#options
    const loader = program.endsWith('.ts') ? process.execArgv : []
    const startedAtMs = performance.now()
    const child = spawn(process.execPath, [...NO_INSPECTOR, ...loader, program, ...args], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    })
    this.#process = child
    this.#follow(child.stdout)
    this.#follow(child.stderr)
    this.#exited = new Promise((resolve) => {
      const end = (how: string) => {
        this.#process = undefined
        resolve()
        this.#onEnd(how, performance.now() - startedAtMs)
      }
      child.once('error', (error) => end(error.message))
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code ?? '?'}`))
    })
  }

  #follow(stream: Readable | null): void {
    if (stream === null) {
      return
    }
    createInterface({ input: stream }).on('line', (line) => {
      this.#options.log.write(line)
      const shown = importantLine(line)
      if (shown !== undefined && shown.trim() !== '') {
        this.#lastLines = [...this.#lastLines, shown].slice(-LAST_LINES)
        this.#options.say(`${this.#options.name}: ${shown}`)
      }
    })
  }

  #onEnd(how: string, ranMs: number): void {
    if (this.#stopping) {
      return
    }
    this.#failures += 1
    if (ranMs >= HEALTHY_MS) {
      this.#backoff.reset()
    }
    const delayMs = this.#backoff.nextMs()
    this.#options.say(`${this.#options.name} ended (${how}); starting it again in ${delayMs} ms`)
    this.#timer = setTimeout(() => this.start(), delayMs)
  }

  /**
   * Sends a message over the channel. It is lost when the process has just died; the next one does
   * not get it.
   */
  send(word: string): void {
    if (this.#process?.connected === true) {
      this.#process.send(word, () => undefined)
    }
  }

  /** Resolves when it has ended: by SIGTERM, or after `graceMs` by SIGKILL. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#process?.kill('SIGTERM')
    const timer = setTimeout(() => this.#process?.kill('SIGKILL'), graceMs)
    await this.#exited
    clearTimeout(timer)
  }

  /** At once. */
  kill(): void {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#process?.kill('SIGKILL')
  }
}

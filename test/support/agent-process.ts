/**
 * An agent as a process of its own; with arguments it is that process: `node agent-process.ts
 * <settings as JSON>`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Settings } from '../../runtime/config/settings.js'

/** What an agent reads of the settings. */
export type AgentProcessSettings = Pick<
  Settings,
  'home' | 'registry' | 'cluster' | 'etcd' | 'docker' | 'allowLoopback' | 'agent' | 'logLevel'
>

const self = fileURLToPath(import.meta.url)

export class AgentProcess {
  readonly child: ChildProcess
  /** Its log, as far as it was read. */
  readonly lines: string[] = []
  readonly exited: Promise<unknown>

  constructor(settings: AgentProcessSettings) {
    const args = ['--import', 'tsx', self, JSON.stringify(settings)]
    // With IPC, so that it ends when the test does, however the test ends.
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    const { stdout } = this.child
    if (stdout) {
      createInterface(stdout).on('line', (line) => this.lines.push(line))
    }
    this.exited = once(this.child, 'exit')
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  async end(name: NodeJS.Signals): Promise<number | null> {
    this.signal(name)
    await this.exited
    return this.child.exitCode
  }
}

if (process.argv[1] === self) {
  const { runAgent } = await import('../../agent/main.js')
  await runAgent(JSON.parse(process.argv[2] ?? '{}') as Settings)
  // What is left then is IPC, which would keep it alive.
  process.disconnect?.()
}

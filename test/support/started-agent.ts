/** An agent in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { nodeArguments } from '../../lab/node.js'
import type { Settings } from '../../runtime/config/settings.js'

/** What an agent reads of the settings. */
export type AgentProcessSettings = Pick<
  Settings,
  'home' | 'registry' | 'cluster' | 'etcd' | 'docker' | 'allowLoopback' | 'agent' | 'logLevel'
>

const script = fileURLToPath(new URL('agent-process.ts', import.meta.url))

export class AgentProcess {
  readonly child: ChildProcess
  /** Its log, as far as it was read. */
  readonly lines: string[] = []
  readonly exited: Promise<unknown>

  constructor(settings: AgentProcessSettings) {
    const args = [...nodeArguments(script), JSON.stringify(settings)]
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

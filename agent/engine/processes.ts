/**
 * The processes of containers, as this machine's kernel shows them: while the engine is away they
 * are all that is known. Where they cannot be seen, on another machine, nothing is said of them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { statFields } from '../../runtime/process-stat.js'
import { runOf } from './container.js'
import type { ContainerRun } from './container.js'

interface SeenProcess {
  pid: number
  /** In clock ticks since the machine's start: a number may be another process's later. */
  startedAt: string
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It ended, or belongs to a machine that is not ours.
    return ''
  }
}

function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`)
  const fields = statFields(stat)
  // One that has ended and was not waited for is gone, too.
  return stat === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

/** The name of its cgroup has the whole id; a record of the registry has its first 12 digits. */
function belongsTo(pid: number, container: ContainerRun): boolean {
  return read(`/proc/${pid}/cgroup`).includes(container.id)
}

/** An engine in a namespace of its own counts in other numbers. */
function findByCgroup(container: ContainerRun): number | undefined {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).find((pid) => belongsTo(pid, container))
}

function find(container: ContainerRun): SeenProcess | undefined {
  const isItsOwn = container.pid > 0 && belongsTo(container.pid, container)
  const pid = isItsOwn ? container.pid : findByCgroup(container)
  const startedAt = pid === undefined ? undefined : startOf(pid)
  return pid === undefined || startedAt === undefined ? undefined : { pid, startedAt }
}

export class ContainerProcesses {
  /** Run → its first process; undefined: it is not to be seen from here. */
  readonly #seen = new Map<string, SeenProcess | undefined>()

  /** From now on these are known, each found once for each of its runs. */
  learn(containers: Iterable<ContainerRun>): void {
    const runs = new Set<string>()
    for (const container of containers) {
      const run = runOf(container)
      if (container.status !== 'stopped') {
        runs.add(run)
        if (!this.#seen.has(run)) {
          this.#seen.set(run, find(container))
        }
      }
    }
    for (const run of this.#seen.keys()) {
      if (!runs.has(run)) {
        this.#seen.delete(run)
      }
    }
  }

  /** Whether its process is seen, and lives. */
  lives(container: ContainerRun): boolean {
    const seen = this.#seen.get(runOf(container))
    return seen !== undefined && startOf(seen.pid) === seen.startedAt
  }

  /** True only for one whose process was seen once and is no more. */
  hasEnded(container: ContainerRun): boolean {
    const seen = this.#seen.get(runOf(container))
    return seen !== undefined && startOf(seen.pid) !== seen.startedAt
  }
}

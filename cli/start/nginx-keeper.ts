/** Looks after a home's nginx: takes it over, starts it, and starts it again when it died. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { testWithFallback } from './fallback-repair.js'
import { Backoff, pause } from '../../runtime/retry.js'
import { messageOf } from '../../runtime/errors.js'
import { writeWholeSync } from '../../runtime/whole-file.js'
import { closeGates } from './home-lanes.js'
import { isWorker } from './proc.js'
import {
  findMaster,
  recordedPid,
  reloadNginx,
  startNginx,
  stopNginx,
  upgradeNginx,
} from './home-nginx.js'
import type { NginxFiles } from './home-nginx.js'

const LOOK_MS = 250
const BACKOFF = { firstMs: 100, mostMs: 5000 }
const HEALTHY_MS = 10_000

export type HowItCameUp = 'kept' | 'reloaded' | 'replaced' | 'started'

/** A build is a JSON array that begins with the path of the executable. */
function pathOf(build: string): string | undefined {
  try {
    const [path] = JSON.parse(build) as unknown[]
    return typeof path === 'string' ? path : undefined
  } catch {
    // Not ours, so it is at no path of ours.
    return undefined
  }
}

function buildFile(home: string): string {
  return join(home, 'run', 'nginx.build')
}

/** Undefined: an nginx whose build is not known is taken for another one. */
function runningBuild(home: string): string | undefined {
  try {
    return readFileSync(buildFile(home), 'utf8')
  } catch {
    return undefined
  }
}

/** The executable of the nginx that `sluice start` has started last; undefined: it has not. */
export function runningPath(home: string): string | undefined {
  return pathOf(runningBuild(home) ?? '')
}

/**
 * Keeps one nginx running. It is no child of ours, because it must outlive us: so it is looked
 * after by its pid.
 */
export class NginxKeeper {
  #place: NginxFiles
  #build: string
  readonly #say: (line: string) => void
  readonly #ending = new AbortController()
  readonly #backoff = new Backoff(BACKOFF)
  #known: number | undefined
  /** Then nginx is away for a moment, and nobody else may start it. */
  #isReplacing = false
  /** Workers of a master that was killed, as long as they have something in flight. */
  #finishing: number[] = []
  #bringingUp: Promise<unknown> = Promise.resolve()
  #watching: Promise<void> = Promise.resolve()

  /** `build` stands for one executable with its modules: a reload cannot change those. */
  constructor(place: NginxFiles, build: string, say: (line: string) => void) {
    this.#place = place
    this.#build = build
    this.#say = say
  }

  /**
   * Once known for ours, a pid is ours for as long as it lives: that is cheap enough to ask often.
   */
  get pid(): number | undefined {
    if (this.#known === undefined || recordedPid(this.#place) !== this.#known) {
      this.#known = findMaster(this.#place)
    }
    return this.#known
  }

  /**
   * Takes over the nginx that runs, or starts one. `isChanged`: its configuration is not what it
   * runs with.
   */
  bringUp(isChanged: boolean): Promise<HowItCameUp> {
    const work = this.#bringUp(isChanged)
    // Whoever called hears of a failure; `stop` only has to know that it is over.
    this.#bringingUp = work.catch(() => undefined)
    return work
  }

  async #bringUp(isChanged: boolean): Promise<HowItCameUp> {
    const pid = this.pid
    const running = runningBuild(this.#place.home)
    if (pid !== undefined && running === this.#build) {
      if (isChanged) {
        reloadNginx(pid)
      }
      return isChanged ? 'reloaded' : 'kept'
    }
    const isSamePath = running !== undefined && pathOf(running) === pathOf(this.#build)
    await this.#startAnew(pid, isSamePath)
    writeWholeSync(buildFile(this.#place.home), this.#build, 0o644)
    return pid === undefined ? 'started' : 'replaced'
  }

  /** One that is at another path, or does not come up beside the one that runs, has to wait. */
  async #startAnew(pid: number | undefined, isSamePath: boolean): Promise<void> {
    closeGates(this.#place.home)
    const before =
      pid !== undefined && isSamePath ? await upgradeNginx(this.#place, pid) : undefined
    if (before !== undefined) {
      this.#finishing = [...this.#finishing.filter(isWorker), ...before]
      return
    }
    if (pid !== undefined) {
      await stopNginx(this.#place, LOOK_MS * 8)
    }
    await this.#start()
  }

  /** Puts another build, or another configuration, in the place of what runs. */
  async replace(place: NginxFiles, build: string, isChanged: boolean): Promise<HowItCameUp> {
    this.#isReplacing = true
    try {
      this.#place = place
      this.#build = build
      return await this.bringUp(isChanged)
    } finally {
      this.#isReplacing = false
    }
  }

  async #start(): Promise<void> {
    const orphans = await startNginx(this.#place)
    this.#finishing = [...this.#finishing.filter(isWorker), ...orphans]
  }

  /** From now on, an nginx that died is started again. */
  watch(): void {
    this.#watching = this.#look()
  }

  /** No Loop: only an nginx that has run for a while makes the next delay short. */
  async #look(): Promise<void> {
    const { signal } = this.#ending
    let startedAtMs = performance.now()
    while (!signal.aborted) {
      await pause(LOOK_MS, signal)
      if (signal.aborted || this.#isReplacing || this.pid !== undefined) {
        if (performance.now() - startedAtMs > HEALTHY_MS) {
          this.#backoff.reset()
        }
        continue
      }
      this.#say('nginx has died; starting it again')
      await this.#restart()
      startedAtMs = performance.now()
    }
  }

  async #restart(): Promise<void> {
    try {
      await testWithFallback(this.#place, this.#say)
      closeGates(this.#place.home)
      await this.#start()
      this.#say('nginx runs again')
    } catch (error) {
      // Said and tried again: what keeps it from starting (a port that somebody took) may pass.
      const delayMs = this.#backoff.nextMs()
      this.#say(`${messageOf(error)}; trying again in ${delayMs} ms`)
      await pause(delayMs, this.#ending.signal)
    }
  }

  /** Looks after it no longer; it runs on. */
  async leave(): Promise<void> {
    this.#ending.abort()
    await this.#watching
  }

  async stop(graceMs: number): Promise<void> {
    this.#ending.abort()
    await this.#bringingUp
    await this.#watching
    await stopNginx(this.#place, graceMs, this.#finishing)
  }
}

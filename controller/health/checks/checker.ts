/**
 * Active health checks: asks every instance on its schedule, and says which are down. One timer
 * serves all of them.
 */
import type { CheckType } from '../../../contract/record/check-policy.js'
import { messageOf } from '../../../runtime/errors.js'
import type { Logger } from '../../../runtime/logger.js'
import type { Check, CheckResult } from './attempt.js'
import { isSameCheck } from './check-target.js'
import type { CheckTarget } from './check-target.js'
import { DueQueue } from './due-queue.js'
import { checkGrpc } from './grpc-check.js'
import { checkHttp } from './http-check.js'
import { Reporter } from './reporter.js'
import { CheckSchedule } from './schedule.js'
import { VerdictCounter } from './verdict.js'
import type { Verdict } from './verdict.js'
import { checkTcp } from './tcp-check.js'
import { Trust } from './trust.js'
import type { CertificateOf } from './trust.js'

export interface CheckerOptions {
  log: Logger
  /** Certificates, in PEM, of the authorities whose word counts; absent: those that Node knows. */
  trustedCa?: string
  /** Absent: there are none to show to instances. */
  certificateOf?: CertificateOf
  /** How many checks may run at a time; the others wait in the order in which they are due. */
  atOnce?: number
  /** Monotonic milliseconds. */
  now?: () => number
  /** Whether Sluice itself listens there: that is not asked, and is warned of. */
  isOwn?: (host: string, port: number) => boolean
  /**
   * Called with the keys whose state or reason has changed, once for all that changed in the same
   * turn of the event loop; also for a key that is new and not up. Not called for keys that are
   * gone.
   */
  onChange: (keys: string[]) => void
}

/** For the metrics: counts since the start, but for `instances` and `running`. */
export interface CheckerCounts {
  instances: number
  running: number
  /** Checks that ended with a result. */
  passed: number
  failed: number
  /**
   * Checks that could not be made for want of file descriptors or the like: they say nothing of an
   * instance.
   */
  unmade: number
}

interface Watched {
  dueMs: number
  place: number
  target: CheckTarget
  round: number
  readonly schedule: CheckSchedule
  readonly counter: VerdictCounter
  running: AbortController | undefined
}

const CHECKS: Record<CheckType, Check> = { http: checkHttp, tcp: checkTcp, grpc: checkGrpc }

/** Checks due this close together start together. */
const GRAIN_MS = 25

/**
 * A new instance is what its policy's `initial` says, and down after `fall` fails in a row, up
 * again after `rise` passes. One with another host or port is new; one with another policy keeps
 * its verdict and counts anew; one that is gone is forgotten at once. What could not be asked
 * (`isOurs`) changes nothing.
 */
export class Checker {
  readonly #log: Logger
  readonly #trust: Trust
  readonly #atOnce: number
  readonly #now: () => number
  readonly #isOwn: (host: string, port: number) => boolean
  readonly #reporter: Reporter
  readonly #watched = new Map<string, Watched>()
  readonly #verdicts = new Map<string, Verdict>()
  readonly #queue = new DueQueue<Watched>()
  readonly #running = new Set<Promise<void>>()
  readonly #counts = { passed: 0, failed: 0, unmade: 0 }
  #timer: NodeJS.Timeout | undefined
  #wakeMs = Infinity
  #round = 0
  #made = 0
  #isClosed = false

  constructor(options: CheckerOptions) {
    this.#log = options.log
    this.#trust = new Trust(options.trustedCa, options.certificateOf)
    this.#atOnce = options.atOnce ?? 64
    this.#now = options.now ?? (() => performance.now())
    this.#isOwn = options.isOwn ?? (() => false)
    this.#reporter = new Reporter(options.log, this.#now, options.onChange)
  }

  /** All that is to be checked from now on. Where a key comes twice, the last one holds. */
  setTargets(targets: Iterable<CheckTarget>): void {
    if (this.#isClosed) {
      return
    }
    this.#round += 1
    let named = 0
    const fresh = new Set<Watched>()
    for (const target of targets) {
      if (this.#isRefused(target)) {
        continue
      }
      const known = this.#watched.get(target.key)
      if (known?.round !== this.#round) {
        named += 1
      }
      this.#name(target, known, fresh)
    }
    if (named < this.#watched.size) {
      this.#forgetUnnamed()
    }
    this.#plan(fresh)
    this.#pump()
  }

  verdict(key: string): Verdict | undefined {
    return this.#verdicts.get(key)
  }

  /** Live: it changes as results come. */
  verdicts(): ReadonlyMap<string, Verdict> {
    return this.#verdicts
  }

  counts(): CheckerCounts {
    return { instances: this.#watched.size, running: this.#running.size, ...this.#counts }
  }

  /** Stops the checks that run; nothing is called after it. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#reporter.close()
    for (const watched of this.#watched.values()) {
      this.#drop(watched)
    }
    this.#watched.clear()
    await Promise.all(this.#running)
  }

  /**
   * What REST would refuse may stand in the registry all the same. An instance's own address was
   * judged before.
   */
  #isRefused({ key, host, policy }: CheckTarget): boolean {
    const refused = policy.port !== undefined && this.#isOwn(host, policy.port)
    if (refused) {
      this.#reporter.refused(key, policy.port)
    }
    return refused
  }

  #name(target: CheckTarget, known: Watched | undefined, fresh: Set<Watched>): void {
    if (known?.target.host !== target.host || known.target.port !== target.port) {
      if (known !== undefined) {
        this.#drop(known)
        fresh.delete(known)
      }
      fresh.add(this.#add(target))
      return
    }
    known.round = this.#round
    const isSame = isSameCheck(known.target, target)
    known.target = target
    if (!isSame) {
      this.#drop(known)
      known.counter.restart()
      fresh.add(known)
    }
  }

  #add(target: CheckTarget): Watched {
    const counter = new VerdictCounter(target.policy, target.before, Date.now())
    const watched = {
      ...{ target, counter, dueMs: 0, place: -1, running: undefined },
      ...{ round: this.#round, schedule: new CheckSchedule(this.#made++) },
    }
    this.#watched.set(target.key, watched)
    this.#publish(target.key, counter.verdict)
    return watched
  }

  #publish(key: string, verdict: Verdict): void {
    const before = this.#verdicts.get(key)
    this.#verdicts.set(key, verdict)
    this.#reporter.note(key, before, verdict)
  }

  #forgetUnnamed(): void {
    for (const [key, watched] of this.#watched) {
      if (watched.round === this.#round) {
        continue
      }
      this.#drop(watched)
      this.#watched.delete(key)
      this.#verdicts.delete(key)
      this.#reporter.forget(key)
    }
  }

  #drop(watched: Watched): void {
    this.#queue.remove(watched)
    watched.running?.abort()
    watched.running = undefined
  }

  #plan(fresh: Set<Watched>): void {
    const now = this.#now()
    let index = 0
    for (const watched of fresh) {
      const { intervalMs } = watched.target.policy
      watched.dueMs = watched.schedule.first(now, intervalMs, index++, fresh.size)
      this.#queue.put(watched)
    }
  }

  #pump(): void {
    const now = this.#now()
    for (;;) {
      const first = this.#queue.first
      if (first === undefined || this.#isClosed || this.#running.size >= this.#atOnce) {
        return
      }
      if (first.dueMs > now) {
        return this.#wakeAt(first.dueMs, now)
      }
      this.#queue.remove(first)
      this.#reporter.late(now - first.dueMs, first.target.policy.intervalMs, this.#atOnce)
      this.#start(first)
    }
  }

  #wakeAt(dueMs: number, now: number): void {
    if (this.#wakeMs <= dueMs) {
      return
    }
    clearTimeout(this.#timer)
    this.#wakeMs = dueMs
    const wake = (): void => {
      this.#wakeMs = Infinity
      this.#pump()
    }
    this.#timer = setTimeout(wake, Math.max(GRAIN_MS, dueMs - now))
    this.#timer.unref()
  }

  #start(watched: Watched): void {
    const running: Promise<void> = this.#check(watched)
      .catch((error: unknown) => this.#log.error({ error: messageOf(error) }, 'check is broken'))
      .finally(() => {
        this.#running.delete(running)
        this.#pump()
      })
    this.#running.add(running)
  }

  async #check(watched: Watched): Promise<void> {
    const { target } = watched
    const { policy, host } = target
    const abort = new AbortController()
    watched.running = abort
    const startedMs = this.#now()
    const missing = this.#trust.missing(policy, target.tls)
    const tls = this.#trust.tlsFor(policy, target.tls)
    const address = { host, port: policy.port ?? target.port, tls }
    const result =
      missing === undefined
        ? await CHECKS[policy.type](address, policy, abort.signal)
        : unmade(`there is no certificate ${missing} to show`)
    // It was forgotten, or is asked otherwise by now.
    if (watched.running !== abort) {
      return
    }
    watched.running = undefined
    const now = this.#now()
    this.#take(watched, result, now - startedMs)
    watched.dueMs = watched.schedule.next(now, policy.intervalMs, policy.jitterPercent)
    this.#queue.put(watched)
  }

  #take({ target, counter }: Watched, result: CheckResult, latencyMs: number): void {
    if (!result.ok && result.isOurs === true) {
      this.#counts.unmade += 1
      this.#reporter.unmade(result.reason)
      return
    }
    this.#counts[result.ok ? 'passed' : 'failed'] += 1
    const rounded = Math.round(latencyMs * 10) / 10
    this.#publish(target.key, counter.take(result, target.policy, Date.now(), rounded))
  }
}

function unmade(why: string): CheckResult {
  return { ok: false, reason: `check could not be made: ${why}`, isOurs: true }
}

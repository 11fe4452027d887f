/**
 * What this gateway knows of instances beyond the registry: verdicts of checks, ejections after
 * failures that nginx reports, and who still warms up. Every gateway judges for itself, because an
 * instance may be out of reach of one.
 */
import type { Logger } from '../../runtime/logger.js'
import type { InstanceConditions } from '../state/conditions.js'
import type { Desired, DesiredUpstream } from '../state/desired.js'
import type { CheckTarget } from './checks/check-target.js'
import type { Checks, MakeChecks } from './active-checks.js'
import { differences } from './condition-change.js'
import type { ConditionChange } from './condition-change.js'
import { Listener } from './listener.js'
import type { Feed } from './listener.js'
import type { AnswerCounts } from './outliers.js'
import { SidIndex } from './sid-index.js'
import { NO_CONDITIONS, UpstreamHealth, targetsOf } from './upstream-health.js'

export interface HealthOptions {
  log: Logger
  /** Undefined where nginx reports nothing. Then there are only checks, and nobody warms up. */
  feed: Feed | undefined
  /**
   * Failures that stream{} reports, and whether anybody may connect there. Its answers are not
   * measured.
   */
  streamFeed?: { feed: Feed; isUsed: () => boolean } | undefined
  makeChecks?: MakeChecks | undefined
  /** Whether a failed try of this SID may be none, because nginx may not have had it. */
  isDoubtful?: (sid: string) => boolean
  /** Conditions of these instances changed. */
  onChange(changes: ConditionChange[]): void
  /** Unix milliseconds that never go back; for tests. */
  now?: () => number
}

export class Health {
  readonly #options: HealthOptions
  readonly #now: () => number
  readonly #checks: Checks | undefined
  readonly #listeners: Listener[]
  readonly #upstreams = new Map<string, UpstreamHealth>()
  /** Those on which time has an effect. */
  readonly #timed = new Set<string>()
  readonly #bySid: SidIndex
  readonly #targets = new Map<string, CheckTarget[]>()
  #isFirst = true
  /** Of upstreams that are gone. */
  #pastEjections = 0

  constructor(options: HealthOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.timeOrigin + performance.now())
    this.#bySid = new SidIndex(this.#now)
    this.#checks = options.makeChecks?.((keys) => {
      this.#look(new Set(keys.map((key) => key.slice(0, key.indexOf('/')))))
    })
    const { feed, streamFeed } = options
    this.#listeners = [
      ...(feed === undefined ? [] : [this.#listen(feed)]),
      ...(streamFeed === undefined ? [] : [this.#listenToStream(streamFeed)]),
    ]
  }

  /** Ejections since this controller started. */
  get ejections(): number {
    let sum = this.#pastEjections
    this.#upstreams.forEach((upstream) => (sum += upstream.ejections))
    return sum
  }

  conditionsOf(upstream: string): InstanceConditions {
    return this.#upstreams.get(upstream)?.conditions ?? NO_CONDITIONS
  }

  /** Of those that have any. */
  *conditions(): Iterable<[upstream: string, InstanceConditions]> {
    for (const [name, { conditions }] of this.#upstreams) {
      if (conditions.size > 0) {
        yield [name, conditions]
      }
    }
  }

  /** How many instances of an upstream are ejected. */
  ejected(upstream: string): number {
    return this.#upstreams.get(upstream)?.ejected ?? 0
  }

  start(): void {
    this.#listeners.forEach((listener) => listener.start())
  }

  /**
   * The desired state changed. Call it before anybody acts on that, so that a new instance never
   * has its full share.
   */
  follow(desired: Desired): void {
    const isFirst = this.#isFirst
    this.#isFirst = false
    const news = [...desired.upstreams.values()].filter(
      (upstream) => this.#upstreams.get(upstream.name)?.desired !== upstream,
    )
    const gone = [...this.#upstreams.keys()].filter((name) => !desired.upstreams.has(name))
    // First, for what is new may be down until it was checked.
    this.#aim(news, gone, isFirst)
    const changes = news.flatMap((upstream) => this.#follow(upstream, isFirst))
    gone.forEach((name) => this.#remove(name))
    this.#notify(changes)
  }

  /** Lets time take effect. */
  tick(): void {
    const nowMs = this.#now()
    this.#look(
      [...this.#timed].filter((name) => (this.#upstreams.get(name)?.nextAtMs ?? 0) <= nowMs),
    )
  }

  /** `f<sid>` a try failed, `t<sid>` a trial was taken, `p<sid>` it passed. */
  hear(events: string[]): void {
    const nowMs = this.#now()
    const touched = new Set<string>()
    for (const event of events) {
      const sid = event.slice(1)
      for (const name of this.#bySid.upstreamsOf(sid)) {
        const health = this.#upstreams.get(name)
        if (event.startsWith('f')) {
          this.#failed(health, sid, nowMs)
        } else if (event.startsWith('t')) {
          health?.taken(sid)
        } else {
          health?.passed(sid)
        }
        touched.add(name)
      }
    }
    this.#look(touched)
  }

  /** Counters of answers by SID, as nginx has them. */
  measure(counters: ReadonlyMap<string, AnswerCounts>): void {
    const measured = [...this.#upstreams].filter(([, { isMeasured }]) => isMeasured)
    measured.forEach(([, health]) => health.measured(counters, this.#now()))
    this.#look(measured.map(([name]) => name))
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()))
    await this.#checks?.close()
  }

  #listen(feed: Feed): Listener {
    return new Listener({
      log: this.#options.log,
      feed,
      hears: () => this.#hears(),
      measured: () => [
        ...new Set(
          [...this.#upstreams.values()].flatMap((health) =>
            health.isMeasured ? health.serving() : [],
          ),
        ),
      ],
      gone: () => this.#bySid.longGone(),
      onForgotten: (sids) => this.#bySid.forget(sids),
      onEvents: (events) => this.hear(events),
      onAnswers: (counters) => this.measure(counters),
      onTick: () => this.tick(),
    })
  }

  #listenToStream({ feed, isUsed }: { feed: Feed; isUsed: () => boolean }): Listener {
    return new Listener({
      log: this.#options.log,
      feed,
      hears: () => isUsed() && this.#hears(),
      measured: () => [],
      gone: () => [],
      onForgotten: () => undefined,
      onEvents: (events) => this.hear(events),
      onAnswers: () => undefined,
      onTick: () => undefined,
    })
  }

  #failed(health: UpstreamHealth | undefined, sid: string, nowMs: number): void {
    if (this.#options.isDoubtful?.(sid) !== true) {
      health?.failed(sid, nowMs)
    }
  }

  #hears(): boolean {
    return [...this.#upstreams.values()].some(({ hears }) => hears)
  }

  #look(names: Iterable<string>): void {
    const changes: ConditionChange[] = []
    const nowMs = this.#now()
    for (const name of names) {
      const health = this.#upstreams.get(name)
      if (health !== undefined) {
        const before = health.conditions
        health.look(nowMs)
        this.#time(name, health)
        changes.push(...differences(name, before, health.conditions))
      }
    }
    this.#notify(changes)
  }

  #notify(changes: ConditionChange[]): void {
    if (changes.length > 0) {
      this.#options.onChange(changes)
    }
  }

  #add(name: string): UpstreamHealth {
    const health = new UpstreamHealth({
      verdict: (key) => this.#checks?.verdict(key),
      warms: this.#options.feed !== undefined,
    })
    this.#upstreams.set(name, health)
    return health
  }

  #follow(upstream: DesiredUpstream, isFirst: boolean): ConditionChange[] {
    const { name } = upstream
    const health = this.#upstreams.get(name) ?? this.#add(name)
    const { sids, conditions } = health
    health.follow(upstream, isFirst, this.#now())
    this.#bySid.move(name, sids, health.sids)
    this.#time(name, health)
    return differences(name, conditions, health.conditions)
  }

  #remove(name: string): void {
    const health = this.#upstreams.get(name)
    this.#pastEjections += health?.ejections ?? 0
    this.#upstreams.delete(name)
    this.#timed.delete(name)
    this.#bySid.move(name, health?.sids ?? new Set(), new Set())
  }

  #time(name: string, { nextAtMs }: UpstreamHealth): void {
    if (nextAtMs === undefined) {
      this.#timed.delete(name)
    } else {
      this.#timed.add(name)
    }
  }

  /**
   * Sets what is checked. What is there at the start has served before: to wait for its first check
   * would be an outage.
   */
  #aim(news: DesiredUpstream[], gone: string[], isFirst: boolean): void {
    let isChanged = false
    for (const upstream of news) {
      const targets = targetsOf(upstream, isFirst ? { state: 'up' } : undefined)
      isChanged = this.#targets.delete(upstream.name) || targets !== undefined || isChanged
      if (targets !== undefined) {
        this.#targets.set(upstream.name, targets)
      }
    }
    for (const name of gone) {
      isChanged = this.#targets.delete(name) || isChanged
    }
    if (isChanged) {
      this.#checks?.setTargets([...this.#targets.values()].flat())
    }
  }
}

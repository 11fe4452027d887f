/**
 * Which addresses of one upstream are left out because requests to them failed. Pure: times are
 * passed in, as Unix ms.
 */
import type { EjectPolicy } from '../../contract/record/policy.js'

/**
 * Of an address. `serves`; `unwell`: up in the registry, but down here for another reason; `off`:
 * not up in the registry.
 */
export type AddressState = 'serves' | 'unwell' | 'off'

export interface Ejection {
  /** It serves all the same. */
  ignored: boolean
  reason: string
  /** One request is to try it: the number of that trial, 1 to 9. */
  trial?: number
}

interface Entry {
  sid: string
  /** When it failed, the newest last; at most `maxFails` of them. */
  fails: number[]
  /** Undefined while failures are only counted. */
  out: Out | undefined
}

interface Out {
  why: string
  sinceMs: number
  untilMs: number
  phase: 'ejected' | 'trial'
  /** Why it serves all the same; '' when it does not. */
  ignored: string
  /** When it was last tried, and by which number; 0: not yet. */
  triedAtMs: number
  trial: number
  /** Whether a request came that took this trial. */
  isTaken: boolean
  isCounted: boolean
}

/**
 * After this (or failTimeoutMs) another request may try: the one that took the trial may have died,
 * or have met a slow answer. Where no request took it, there are only requests that may not be sent
 * twice. The instance is let back then, as there is no other way to find out.
 */
const TRIAL_MS = 10_000
const TRIALS = 9

export class Ejector {
  readonly #entries = new Map<string, Entry>()
  #policy: EjectPolicy
  #levels: ReadonlyMap<string, AddressState> = new Map()
  #trying: string | undefined
  #lastTrial = 0
  #ejections = 0

  constructor(policy: EjectPolicy) {
    this.#policy = policy
  }

  /** Ejections that took effect, trials that failed included, since the beginning. */
  get ejections(): number {
    return this.#ejections
  }

  /** Whether there is nothing to remember. */
  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** All addresses that there are, by SID; what is known of others is forgotten. */
  follow(policy: EjectPolicy, levels: ReadonlyMap<string, AddressState>): void {
    this.#policy = policy
    this.#levels = levels
    for (const sid of this.#entries.keys()) {
      if (!levels.has(sid)) {
        this.#entries.delete(sid)
      }
    }
  }

  /** A try failed. Takes effect with the next `look`. */
  failed(sid: string, nowMs: number): void {
    const level = this.#levels.get(sid)
    if (level === undefined || level === 'off') {
      return
    }
    const entry = this.#entries.get(sid) ?? { sid, fails: [], out: undefined }
    const { out } = entry
    if (out !== undefined && out.ignored === '') {
      // Before a trial was given it is something that was in flight when it was ejected.
      if (out.phase === 'trial' && out.trial > 0) {
        this.#eject(entry, 'a trial failed', nowMs)
      }
      return
    }
    const { maxFails, failTimeoutMs } = this.#policy
    entry.fails = [...entry.fails, nowMs].filter((atMs) => atMs > nowMs - failTimeoutMs)
    this.#entries.set(sid, entry)
    if (maxFails > 0 && entry.fails.length >= maxFails) {
      this.#eject(entry, `${entry.fails.length} failures`, nowMs)
    }
  }

  /** A request takes the trial. */
  taken(sid: string): void {
    const out = this.#entries.get(sid)?.out
    if (out?.phase === 'trial') {
      out.isTaken = true
    }
  }

  /** A trial passed. */
  passed(sid: string): void {
    const out = this.#entries.get(sid)?.out
    if (out !== undefined && (out.phase === 'trial' || out.ignored !== '')) {
      this.#entries.delete(sid)
    }
  }

  /** Ejects for another reason than failures: `12 of 20 answers were errors`. */
  outlier(sid: string, why: string, nowMs: number): void {
    const entry = this.#entries.get(sid) ?? { sid, fails: [], out: undefined }
    const isOut = entry.out !== undefined && entry.out.ignored === ''
    if (this.#levels.get(sid) === 'serves' && !isOut) {
      this.#entries.set(sid, entry)
      this.#eject(entry, why, nowMs)
    }
  }

  /** Who is ejected as of now, by SID. */
  look(nowMs: number): Map<string, Ejection> {
    this.#expire(nowMs)
    this.#judge(nowMs)
    this.#try(nowMs)
    const shown = new Map<string, Ejection>()
    for (const { sid, out } of this.#entries.values()) {
      if (out !== undefined && this.#levels.get(sid) !== 'off') {
        shown.set(sid, show(out, sid === this.#trying))
      }
    }
    return shown
  }

  /** When `look` will answer something else if nothing happens until then; undefined: never. */
  nextAtMs(): number | undefined {
    let next = Infinity
    for (const { sid, fails, out } of this.#entries.values()) {
      if (out === undefined) {
        next = Math.min(next, (fails.at(-1) ?? 0) + this.#policy.failTimeoutMs)
      } else if (out.phase === 'ejected') {
        next = Math.min(next, out.untilMs)
      } else if (sid === this.#trying) {
        next = Math.min(next, out.triedAtMs + this.#trialMs())
      }
    }
    return next === Infinity ? undefined : next
  }

  #trialMs(): number {
    return Math.max(TRIAL_MS, this.#policy.failTimeoutMs)
  }

  #eject(entry: Entry, why: string, nowMs: number): void {
    const sinceMs = entry.out?.sinceMs ?? nowMs
    const untilMs = nowMs + this.#policy.failTimeoutMs
    const ignored = entry.out?.ignored ?? ''
    entry.fails = []
    entry.out = {
      ...{ why, sinceMs, untilMs, ignored, phase: 'ejected' },
      ...{ triedAtMs: 0, trial: 0, isTaken: false, isCounted: false },
    }
  }

  #expire(nowMs: number): void {
    for (const [sid, { fails, out }] of this.#entries) {
      if (out === undefined) {
        if ((fails.at(-1) ?? 0) <= nowMs - this.#policy.failTimeoutMs) {
          this.#entries.delete(sid)
        }
      } else if (out.phase === 'ejected' && out.untilMs <= nowMs) {
        // What served all the time needs no trial.
        if (out.ignored === '') {
          out.phase = 'trial'
        } else {
          this.#entries.delete(sid)
        }
      }
    }
  }

  /**
   * The oldest ejections count, while there are not too many. None counts when too few would serve.
   */
  #judge(nowMs: number): void {
    const { mostPercent, panicPercent, failTimeoutMs } = this.#policy
    const levels = [...this.#levels.values()]
    const up = levels.filter((level) => level !== 'off').length
    const out = [...this.#entries.values()]
      .filter((entry): entry is Entry & { out: Out } => entry.out !== undefined)
      .filter(({ sid }) => this.#levels.get(sid) !== 'off')
      .sort((a, b) => a.out.sinceMs - b.out.sinceMs || (a.sid < b.sid ? -1 : 1))
    const most = Math.floor((up * mostPercent) / 100)
    const lost = out.slice(0, most).filter(({ sid }) => this.#levels.get(sid) === 'serves').length
    const serving = levels.filter((level) => level === 'serves').length - lost
    const isPanic = serving * 100 <= panicPercent * up
    out.forEach(({ out: each }, i) => {
      each.ignored = isPanic
        ? `only ${serving} of ${up} would serve`
        : i < most
          ? ''
          : `at most ${mostPercent} % are ejected`
      if (each.ignored !== '' && each.phase === 'trial') {
        Object.assign(each, { phase: 'ejected', untilMs: nowMs + failTimeoutMs })
      }
      if (each.ignored === '' && !each.isCounted) {
        each.isCounted = true
        this.#ejections++
      }
    })
  }

  /** One at a time, whoever has waited longest: an upstream's record names one. */
  #try(nowMs: number): void {
    const waiting = [...this.#entries.values()].filter(
      ({ sid, out }) => out?.phase === 'trial' && this.#levels.get(sid) === 'serves',
    )
    const current = waiting.find(({ sid }) => sid === this.#trying)
    if (current?.out !== undefined && nowMs < current.out.triedAtMs + this.#trialMs()) {
      return
    }
    if (current?.out?.isTaken === false) {
      this.#release(current, nowMs)
    }
    const orderOf = ({ out }: Entry): number => out?.triedAtMs ?? 0
    const [next] = waiting
      .filter(({ out }) => out !== undefined)
      .sort((a, b) => orderOf(a) - orderOf(b) || (a.sid < b.sid ? -1 : 1))
    this.#trying = next?.sid
    if (next?.out !== undefined) {
      this.#lastTrial = (this.#lastTrial % TRIALS) + 1
      Object.assign(next.out, { trial: this.#lastTrial, triedAtMs: nowMs, isTaken: false })
    }
  }

  /** It serves again, and the next failure ejects it. */
  #release(entry: Entry, nowMs: number): void {
    entry.out = undefined
    entry.fails = Array.from({ length: Math.max(0, this.#policy.maxFails - 1) }, () => nowMs)
    if (entry.fails.length === 0) {
      this.#entries.delete(entry.sid)
    }
  }
}

function show(out: Out, isTried: boolean): Ejection {
  const { why, untilMs, phase, ignored, trial } = out
  if (ignored !== '') {
    return { ignored: true, reason: `ejection ignored: ${why}, but ${ignored}` }
  }
  if (phase === 'ejected') {
    const until = new Date(untilMs).toISOString()
    return { ignored: false, reason: `ejected until ${until}: ${why}` }
  }
  return isTried
    ? { ignored: false, reason: `ejected, on trial: ${why}`, trial }
    : { ignored: false, reason: `ejected, waiting for its trial: ${why}` }
}

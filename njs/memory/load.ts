/**
 * What policies count of each peer, in one dict of numbers that all workers share (LOAD_ZONE says
 * which keys). A zone that is full refuses new keys, and nginx logs each refusal; a request is
 * served all the same, uncounted.
 */
import type { AnswersReply } from '../../contract/push.js'
import type { NumberDict } from './dict.js'

/** How long a mean time is believed: after this without an answer it counts for about a third. */
const BELIEF_MS = 10000
const NEW_PART = 0.3
/**
 * A budget never holds more tries than this, nor starts with less: a quiet upstream may still try
 * again.
 */
const BUDGET_TRIES = 10
/** For so long a trial belongs to the request that took it. */
const TAKEN_MS = 10000

/** In flight to this peer, over all workers, of upstreams that count. */
export function loadOf(load: NumberDict, sid: string): number {
  return load.get('c' + sid) || 0
}

/**
 * Counts one more and answers how many there are now; 0 when it cannot be counted. What a worker
 * holds stands apart too, in case it dies.
 */
export function enterLoad(load: NumberDict, name: string, pid: number): number {
  const own = 'c' + name + '/' + pid
  try {
    load.incr(own, 1)
  } catch (error) {
    return 0
  }
  try {
    return load.incr('c' + name, 1)
  } catch (error) {
    load.incr(own, -1)
    return 0
  }
}

export function leaveLoad(load: NumberDict, name: string, pid: number): void {
  const own = 'c' + name + '/' + pid
  if (load.incr(own, -1) <= 0) {
    load.delete(own)
  }
  // Below 0: `forget` deleted the key meanwhile.
  if (load.incr('c' + name, -1) < 0) {
    load.delete('c' + name)
  }
}

/** Adds a time to the moving mean of a peer, in milliseconds. Throws when the zone is full. */
export function addTime(load: NumberDict, sid: string, millis: number, nowMs: number): void {
  const before = load.get('t' + sid)
  load.set('t' + sid, before === undefined ? millis : before + (millis - before) * NEW_PART)
  load.set('a' + sid, nowMs)
}

/**
 * The moving mean, which fades while nobody measures: or a peer that was slow once would never be
 * asked again.
 */
export function meanTime(load: NumberDict, sid: string, nowMs: number): number {
  const mean = load.get('t' + sid)
  if (mean === undefined) {
    return 0
  }
  const ageMs = Math.max(0, nowMs - (load.get('a' + sid) || 0))
  return mean * Math.exp(-ageMs / BELIEF_MS)
}

export interface MeasuredAnswer {
  isError: boolean
  millis: number
}

/** For outliers and leastTime. */
export function addAnswer(
  load: NumberDict,
  sid: string,
  answer: MeasuredAnswer,
  nowMs: number,
): void {
  try {
    load.incr('n' + sid, 1)
    load.incr('m' + sid, answer.millis)
    if (answer.isError) {
      load.incr('e' + sid, 1)
    } else {
      addTime(load, sid, answer.millis, nowMs)
    }
  } catch (error) {
    // Full: this answer is not measured.
  }
}

/** Deletes all kinds of keys of peers that are gone (LOAD_ZONE lists them): nothing else would. */
export function forget(load: NumberDict, sids: string[]): void {
  sids.forEach((sid) => {
    'ctanem'.split('').forEach((kind) => {
      load.delete(kind + sid)
    })
  })
}

/** A request came: it pays for `percent` of another try. */
export function earnTry(load: NumberDict, unit: string, percent: number): void {
  const key = 'b' + unit
  try {
    load.add(key, BUDGET_TRIES)
    if ((load.get(key) || 0) < BUDGET_TRIES) {
      load.incr(key, percent / 100)
    }
  } catch (error) {
    // The zone is full: then `spendTry` asks for nothing either.
  }
}

/** Whether another try could be paid for now. */
export function canSpendTry(load: NumberDict, unit: string): boolean {
  const left = load.get('b' + unit)
  return (left === undefined ? BUDGET_TRIES : left) >= 1
}

/** Pays for another try; false when there is not enough left. */
export function spendTry(load: NumberDict, unit: string): boolean {
  const key = 'b' + unit
  try {
    load.add(key, BUDGET_TRIES)
    if (load.incr(key, -1) >= 0) {
      return true
    }
    load.incr(key, 1)
    return false
  } catch (error) {
    return true
  }
}

/** Counts a round robin over all workers: 0, 1, 2, …; -1 when it cannot be counted. */
export function nextInRound(load: NumberDict, unit: string): number {
  try {
    return load.incr('i' + unit, 1) - 1
  } catch (error) {
    return -1
  }
}

/**
 * Whether nobody has taken this trial, `<number><sid>`. Each upstream that has the address numbers
 * its own trials, and a new controller begins anew. So a trial that was taken long ago was another
 * one of that number, or its request died.
 */
export function isTrialOpen(load: NumberDict, trial: string, nowMs: number): boolean {
  const takenAtMs = load.get('?' + trial)
  return takenAtMs === undefined || isStale(takenAtMs, nowMs)
}

function isStale(takenAtMs: number, nowMs: number): boolean {
  return takenAtMs + TAKEN_MS <= nowMs
}

/**
 * Takes the trial; false when another request has it. Numbers go round from 1 to 9, so what is left
 * of the next number is old, and is deleted.
 */
export function takeTrial(load: NumberDict, trial: string, nowMs: number): boolean {
  const key = '?' + trial
  load.delete('?' + ((Number(trial.charAt(0)) % 9) + 1) + trial.slice(1))
  const takenAtMs = load.get(key)
  if (takenAtMs !== undefined) {
    if (!isStale(takenAtMs, nowMs)) {
      return false
    }
    load.delete(key)
  }
  try {
    // Of several workers that found nothing there, one adds.
    return load.add(key, nowMs)
  } catch (error) {
    return false
  }
}

/** What `addAnswer` counted of each peer, since nginx started. */
export function readAnswerCounts(load: NumberDict, sids: string[]): AnswersReply {
  const read = (kind: string): number[] => sids.map((sid) => load.get(kind + sid) || 0)
  return { answers: read('n'), errors: read('e'), millis: read('m') }
}

/**
 * Takes from the totals `c<sid>` what workers that are none of `living` have left under
 * `c<sid>/<pid>`. Answers how many of these there were. Walks all keys: for when a worker is
 * known to have died.
 */
export function sweepDead(load: NumberDict, living: number[]): number {
  let swept = 0
  load.keys(-1).forEach((key) => {
    const slash = key.indexOf('/')
    if (key.charAt(0) !== 'c' || slash < 0 || living.indexOf(Number(key.slice(slash + 1))) >= 0) {
      return
    }
    const left = load.get(key)
    // Whoever deletes it is the one who subtracts it; QuickJS does not say, and only one
    // controller asks.
    if (left !== undefined && load.delete(key) !== false) {
      load.incr(key.slice(0, slash), -left)
      swept += 1
    }
  })
  return swept
}

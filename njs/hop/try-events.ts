/** Events of tries, for the controller and for policies that measure. */
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { appendEvent } from '../memory/events.js'
import { rulesOf } from '../table/peers.js'
import { rulesOfTry } from './try.js'
import {
  addUnanswered,
  currentTry,
  doubtedTrial,
  isTrialOf,
  setTrialDoubted,
  takeUnanswered,
} from './state.js'
import type { Try, HopState } from './state.js'
import type { Rules } from '../../contract/table/rules.js'
import { addAnswer } from '../memory/load.js'
import { instanceStatus, triedAddresses, wasInstanceSent } from './judged.js'

const counter = zones.sluice_counter

function emit(h: HopState, event: string): void {
  try {
    appendEvent(zones.sluice_event, counter, event)
  } catch (error) {
    countFailure(counter, 'an event', error, h.r)
  }
}

/** This request is the trial. */
export function emitTrial(h: HopState, sid: string): void {
  emit(h, 't' + sid)
}

function countFailed(h: HopState, upstream: string, sid: string): void {
  emit(h, 'f' + sid)
  const rules = rulesOf(zones.sluice_table, upstream)
  if (rules !== null && rules.measured) {
    addAnswer(zones.sluice_load, sid, { isError: true, millis: 0 }, Date.now())
  }
}

/**
 * A try failed, unless its answer is one that only asks for patience (429). A peer that was sent
 * nothing is at fault. One that was sent the request may have met one that nobody can answer: it
 * is at fault once another peer has answered the same request.
 */
export function emitFailedTry(h: HopState): void {
  const last = currentTry(h)
  const status = instanceStatus(h.v)
  if (last === null || status === 429) {
    return
  }
  if (isTrialOf(h, last.sid) && status > 0) {
    setTrialDoubted(h)
  }
  if (wasInstanceSent(h.v)) {
    addUnanswered(h, last.upstream, last.sid)
  } else {
    countFailed(h, last.upstream, last.sid)
  }
}

/** Whether an answer shows that the request was not to blame for the tries before it. */
function isGood(status: number): boolean {
  return status < 500 && status !== 429
}

/**
 * What the answer says of a trial. A peer on trial that answers as another one does is not at
 * fault. Where none could be asked, a 5xx is one only where answers are measured: a client must not
 * be able to keep a peer out.
 */
function judgeTrial(h: HopState, choice: Try, rules: Rules | null, isError: boolean): void {
  const doubted = doubtedTrial(h)
  if (doubted !== '' && isError) {
    emit(h, 'p' + doubted)
  } else if (isTrialOf(h, choice.sid)) {
    const isFault = isError && rules !== null && rules.measured
    emit(h, (isFault ? 'f' : 'p') + choice.sid)
  }
}

/**
 * `$sluice_measured`, when an answer begins and somebody waits for how it is: peers that did not
 * answer the same request, a trial, or a policy that measures.
 */
export function measureAnswer(h: HopState): string {
  const v = h.v
  try {
    const choice = currentTry(h)
    const status = instanceStatus(v)
    if (choice !== null && status > 0) {
      const rules = rulesOfTry(choice)
      const isError = status >= 500
      if (isGood(status)) {
        takeUnanswered(h).forEach((each) => countFailed(h, each.upstream, each.sid))
      }
      judgeTrial(h, choice, rules, isError)
      if (rules !== null && rules.measured) {
        const millis = Number(v.request_time) * 1000
        addAnswer(zones.sluice_load, choice.sid, { isError: isError, millis: millis }, Date.now())
      }
    }
  } catch (error) {
    countFailure(counter, 'measuring', error, h.r)
  }
  return v.sluice_outcome + ' ' + triedAddresses(v)
}

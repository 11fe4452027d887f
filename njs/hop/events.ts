/** Events of tries, for the controller and for policies that measure. */
import { countFailure } from '../memory/count.js'
import { zones } from '../memory/dict.js'
import { appendEvent } from '../memory/events.js'
import { rulesOfTried } from './request.js'
import { currentTry } from './state.js'
import type { HopState } from './state.js'
import { addAnswer } from '../memory/load.js'
import { lastOf } from './upstream-vars.js'

const counter = zones.sluice_counter

function emit(h: HopState, event: string): void {
  try {
    appendEvent(zones.sluice_event, counter, event)
  } catch (error) {
    countFailure(counter, 'an event', error, h.r)
  }
}

export function emitFailed(h: HopState, sid: string): void {
  emit(h, 'f' + sid)
}

/** This request is the trial. */
export function emitTrial(h: HopState, sid: string): void {
  emit(h, 't' + sid)
}

/** A try failed, unless its answer is one that only asks for patience (429). */
export function emitFailedTry(h: HopState): void {
  const v = h.v
  const last = currentTry(h)
  if (last === null || /^4/.test(lastOf(v.upstream_status))) {
    return
  }
  emitFailed(h, last.sid)
  const rules = rulesOfTried(last)
  if (rules !== null && rules.measured) {
    addAnswer(zones.sluice_load, last.sid, { isError: true, millis: 0 }, Date.now())
  }
}

/**
 * `$sluice_measured`, when an answer begins and somebody waits for how it is: a trial, or a
 * policy that measures.
 */
export function measureAnswer(h: HopState): string {
  const v = h.v
  try {
    const choice = currentTry(h)
    const status = Number(lastOf(v.upstream_status))
    if (choice !== null && status > 0) {
      const rules = rulesOfTried(choice)
      const isError = status >= 500
      if (v.sluice_trial === choice.sid) {
        appendEvent(zones.sluice_event, counter, (isError ? 'f' : 'p') + choice.sid)
      }
      if (rules !== null && rules.measured) {
        const millis = Number(v.request_time) * 1000
        addAnswer(zones.sluice_load, choice.sid, { isError: isError, millis: millis }, Date.now())
      }
    }
  } catch (error) {
    countFailure(counter, 'measuring', error, h.r)
  }
  return v.sluice_outcome
}

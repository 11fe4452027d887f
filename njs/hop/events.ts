/** Events of tries, for the controller and for policies that measure. */
import { countFailure } from '../memory/count.js'
import { zones } from '../memory/dict.js'
import { appendEvent } from '../memory/events.js'
import { parseChoice, rulesOfTried } from './request.js'
import { addAnswer } from '../memory/load.js'
import { lastOf } from './upstream-vars.js'

const counter = zones.sluice_counter

function emit(r: NginxHTTPRequest, event: string): void {
  try {
    appendEvent(zones.sluice_event, counter, event)
  } catch (error) {
    countFailure(counter, 'an event', error, r)
  }
}

export function emitFailed(r: NginxHTTPRequest, sid: string): void {
  emit(r, 'f' + sid)
}

/** This request is the trial. */
export function emitTrial(r: NginxHTTPRequest, sid: string): void {
  emit(r, 't' + sid)
}

/** A try failed, unless its answer is one that only asks for patience (429). */
export function emitFailedTry(r: NginxHTTPRequest): void {
  const v = r.variables
  const last = parseChoice(v.sluice_choice as string)
  if (last === null || /^4/.test(lastOf(v.upstream_status))) {
    return
  }
  emitFailed(r, last.sid)
  const rules = rulesOfTried(last)
  if (rules !== null && rules.measured) {
    addAnswer(zones.sluice_load, last.sid, { isError: true, millis: 0 }, Date.now())
  }
}

/**
 * `$sluice_measured`, when an answer begins and somebody waits for how it is: a trial, or a
 * policy that measures.
 */
export function measureAnswer(r: NginxHTTPRequest): string {
  const v = r.variables
  try {
    const choice = parseChoice(v.sluice_choice as string)
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
    countFailure(counter, 'measuring', error, r)
  }
  return v.sluice_outcome as string
}

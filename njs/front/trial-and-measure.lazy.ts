/** Trials, measuring and retry budgets at the front: few upstreams have them. */
import type { NumberDict } from '../memory/dict.js'
import type { FrontRequest } from './request.js'
import { onExit } from '../memory/on-exit.js'
import { addAnswer, earnTry, isTrialOpen } from '../memory/load.js'
import { answeredStatus, lastOf } from '../hop/upstream-vars.js'

export interface TrialAndMeasure {
  isForTrial: typeof isForTrial
  measureAtExit: typeof measureAtExit
  earnTry: typeof earnTry
}

/**
 * A trial may fail, so it goes to the hop, which tries another then; and it is one of what may be
 * sent twice.
 */
function isForTrial(load: NumberDict, r: FrontRequest, trial: string): boolean {
  return (r.method === 'GET' || r.method === 'HEAD') && isTrialOpen(load, trial, Date.now())
}

/**
 * Counts what the peer answered, unless the hop did: its address is a path, and it counts itself.
 * That nothing was answered may be the request's fault.
 */
function measureAtExit(load: NumberDict, r: FrontRequest, sid: string): void {
  onExit(() => {
    const v = r.variables
    const status = answeredStatus(v)
    if (lastOf(v.upstream_addr).indexOf('.sock') >= 0 || status === 0) {
      return
    }
    const isError = status >= 500
    const millis = Number(lastOf(v.upstream_header_time)) * 1000
    addAnswer(load, sid, { isError: isError, millis: millis || 0 }, Date.now())
  })
}

export function trialAndMeasure(): TrialAndMeasure {
  return { isForTrial: isForTrial, measureAtExit: measureAtExit, earnTry: earnTry }
}

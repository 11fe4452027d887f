/** Whether and where a request is tried again. */
import type { Rules } from '../../contract/table/rules.js'
import { MAX_TRIES, SHARES } from '../../contract/table/zones.js'
import { choose } from '../choose/choice.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import { spendTry } from '../memory/load.js'
import type { HopState } from './state.js'
import { drawFor } from '../choose/draw.js'
import { isIdempotent } from './try.js'

const ANOTHER = { upstream: '', sid: '' }

/**
 * The front's own try costs none: it may only have met a connection that the instance had closed
 * while it was idle.
 */
export function mostTries(rules: Rules | null, wasTried: boolean): number {
  return rules === null ? MAX_TRIES : Math.min(MAX_TRIES, rules.tries + (wasTried ? 1 : 0))
}

/** Another choice than all of `tried`; null when there is none. `nth` tries were made. */
export function anotherChoice(
  context: ChoiceContext,
  h: HopState,
  last: string,
  tried: string,
  nth: number,
): PeerChoice | null {
  const draw = drawFor(context.table, h.r, h.picked.key)
  draw.share = (draw.share + nth * 619) % SHARES
  return choose(context, draw, last === '' ? ANOTHER : { upstream: '', sid: last }, tried)
}

/** Whether the rules let a request that has had `nth` tries be tried again now, after `wasSent`. */
export function isAllowed(
  h: HopState,
  rules: Rules | null,
  nth: number,
  most: number,
  wasSent: boolean,
): boolean {
  if (
    nth >= most ||
    (wasSent && !isIdempotent(h.r.method) && !(rules !== null && rules.nonIdempotent))
  ) {
    return false
  }
  return (
    rules === null || rules.timeoutMs === 0 || Number(h.v.request_time) * 1000 < rules.timeoutMs
  )
}

/** Pays for a try where tries are budgeted. */
export function isPaid(context: ChoiceContext, upstream: string, rules: Rules | null): boolean {
  return rules === null || rules.budgetPercent === 0 || spendTry(context.load, upstream)
}

/** Whether and where a request is tried again. */
import { FAULT_BITS } from '../../contract/table/rules.js'
import type { Rules } from '../../contract/table/rules.js'
import { MOST_TRIES } from '../../contract/table/limits.js'
import { choose } from '../choose/choice.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import { spendTry } from '../memory/load.js'
import type { HopState } from './state.js'
import { drawFor, shareOfTry } from '../choose/draw.js'
import { misfitOf } from './peer-protocol.js'
import { hopContext, isIdempotent } from './try.js'
import { zones } from '../memory/dict.js'
import { rulesOf } from '../table/peers.js'
import { Width } from '../../contract/table/table.js'

/** How often a try may miss a peer's last place, because another request took it first. */
export const MOST_MISSES = 3

/**
 * The front's own try costs none: it may only have met a connection that the instance had closed
 * while it was idle.
 */
export function mostTries(rules: Rules | null, wasTried: boolean): number {
  return rules === null ? MOST_TRIES : Math.min(MOST_TRIES, rules.tries + (wasTried ? 1 : 0))
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
  draw.share = shareOfTry(draw.share, nth)
  return choose(context, draw, { upstream: '', sid: last }, tried)
}

/**
 * Bits of RETRY_STATUSES: answers that are tried again. Of a trial it is every 5xx: whether that is
 * the peer's fault or the request's, another peer shows.
 */
export function statusesToRetry(rules: Rules | null, isTrial: boolean): number {
  const named = rules === null ? 0 : rules.statuses
  return isTrial ? named | FAULT_BITS : named
}

export interface TriesMade {
  count: number
  most: number
  /** Whether a peer was sent anything of the request. */
  wasSent: boolean
  elapsedMs: number
}

/** Whether the rules let a request be tried again now. */
export function isAllowed(method: string, rules: Rules | null, tries: TriesMade): boolean {
  if (
    tries.count >= tries.most ||
    (tries.wasSent && !isIdempotent(method) && !(rules !== null && rules.nonIdempotent))
  ) {
    return false
  }
  return rules === null || rules.timeoutMs === 0 || tries.elapsedMs < rules.timeoutMs
}

/** Pays for a try where tries are budgeted. */
export function isPaid(context: ChoiceContext, upstream: string, rules: Rules | null): boolean {
  return rules === null || rules.budgetPercent === 0 || spendTry(context.load, upstream)
}

/**
 * Another try of a request, if one may follow now: then it is paid for. `upstream` is the last
 * try's. null when none may.
 */
export function findNext(
  h: HopState,
  upstream: string,
  tried: string,
  tries: TriesMade,
): PeerChoice | null {
  const rules = rulesOf(zones.sluice_table, upstream)
  if (!isAllowed(h.r.method, rules, tries)) {
    return null
  }
  const context = hopContext(h)
  const choice = anotherChoice(context, h, tried.slice(-Width.Sid), tried, tries.count)
  return choice !== null && misfitOf(h, choice) === '' && isPaid(context, upstream, rules)
    ? choice
    : null
}

/** The pick of an upstream whose rules choose. */
import { SlotMark, UnitKind } from '../../contract/table/mark.js'
import { keptWay } from '../../contract/table/peer-way.js'
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import type { Dict, NumberDict } from '../memory/dict.js'
import { trialAndMeasure } from './trial-and-measure.lazy.js'
import { findPeer, rulesOf } from '../table/peers.js'
import { chooseByRules, countsLoad, isForHop } from '../choose/policy/balance.js'
import { sessionEntry } from '../choose/policy/session.js'
import { takePlace } from '../memory/take-place.js'
import type { FrontRequest } from './request.js'

/** From here on an exit hook may ask the request; before, the hop measures. */
const ASKS_AT_EXIT = 0x010000

function needsHop(rules: Rules, session: ListEntry | null): boolean {
  if (isForHop(rules) || (rules.measured && njs.version_number < ASKS_AT_EXIT)) {
    return true
  }
  // Only the hop can add a cookie to the answer without getting in the way of the user's own
  // headers.
  return session === null && rules.sticky.indexOf('cookie:') === 0
}

/** Takes a place; where the body is not here yet, the hop does when it is. */
function takePlaceUnlessEarly(
  load: NumberDict,
  r: FrontRequest,
  rules: Rules,
  upstream: string,
  entry: ListEntry,
): boolean {
  return !r.variables.sluice_too_early && takePlace(load, rules, upstream, entry, process.pid)
}

/** The slot of a peer that the kept pool has; '' where it has not. */
function keptSlot(table: Dict, upstream: string, rules: Rules, sid: string): string {
  const peer = findPeer(table, upstream, sid)
  return peer === null || !peer.pooled ? '' : SlotMark.Kept + sid + ' ' + keptWay(rules)
}

/**
 * Whether the front may go on at another location: not in a location of the user's, whose key is
 * an upstream's, and not where the body is here already.
 */
function goesOn(r: FrontRequest): boolean {
  const v = r.variables
  return (v.sluice_key as string).charAt(0) !== UnitKind.Upstream && !v.limit_conn_status
}

/** A SID, or a kept slot; '' when the hop has to. */
function pickRuled(table: Dict, load: NumberDict, r: FrontRequest, upstream: string): string {
  const rules = rulesOf(table, upstream)
  if (rules === null || rules.balance === 'n') {
    return ''
  }
  const session = sessionEntry(table, r, upstream, rules)
  const isKept = rules.tls !== '' || rules.protocol !== ''
  if (
    needsHop(rules, session) ||
    (isKept && !(rules.kept && goesOn(r))) ||
    (rules.trial !== '' && trialAndMeasure().isForTrial(load, r, rules.trial))
  ) {
    return ''
  }
  const entry = chooseByRules({
    table: table,
    load: load,
    request: r,
    upstream: upstream,
    rules: rules,
    session: session,
    number: -1,
    tried: '',
    nowMs: rules.measured ? Date.now() : 0,
  })
  const kept = isKept && entry !== null ? keptSlot(table, upstream, rules, entry.sid) : ''
  if (entry === null || (isKept && kept === '')) {
    return ''
  }
  if (countsLoad(rules) && !takePlaceUnlessEarly(load, r, rules, upstream, entry)) {
    return ''
  }
  // What the hop has to choose it counts itself.
  if (rules.budgetPercent > 0) {
    trialAndMeasure().earnTry(load, upstream, rules.budgetPercent)
  }
  if (rules.measured) {
    trialAndMeasure().measureAtExit(load, r, entry.sid)
  }
  return kept || entry.sid
}

export function pickByRules(): typeof pickRuled {
  return pickRuled
}

/** What the hop does first with a request, and how a choice becomes the next try. */
import type { Rules } from '../../contract/table/rules.js'
import { upstreamOf } from '../../contract/table/table.js'
import { isAnotherUp } from '../choose/choice.js'
import type { PeerChoice } from '../choose/choice-types.js'
import { countEvent } from '../memory/counters.js'
import type { CountedEvent } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { claim, hopContext } from './try.js'
import {
  addUnanswered,
  findFallback,
  isGrpc,
  setAsked,
  setFailed,
  setFallback,
  setOutcome,
  setRefusal,
  setTls,
  setTrial,
  setTry,
  triesIn,
  watchAnswer,
} from './state.js'
import type { HopState, Refusal } from './state.js'
import { isHeadOnly } from './picked.js'
import { anotherChoice, isAllowed, isPaid, mostTries } from './retry.js'
import { emitTrial } from './events.js'
import { canSpendTry, earnTry } from '../memory/load.js'
import { rulesOf } from '../table/peers.js'
import { drawFor } from '../choose/draw.js'
import type { HopPlan } from './hop-plan.js'

const counter = zones.sluice_counter

interface Settled {
  /** `:web` */
  upstream: string
  rules: Rules | null
}

/** A place that was free when it was chosen may be taken since; then another is. */
const CLAIMS = 3

const COUNTED: { [code in Refusal]: CountedEvent } = {
  no_route: 'noRoute',
  unclear_path: 'noRoute',
  not_grpc: 'noRoute',
  only_grpc: 'noRoute',
  no_h2: 'noPeer',
  no_peer: 'noPeer',
  upstream_full: 'full',
}

function refuse(h: HopState, code: Refusal, name: string, tried: string): string {
  countEvent(counter, COUNTED[code], h.r)
  setOutcome(h, code === 'no_route' || code === 'unclear_path' ? '' : name, '', triesIn(tried))
  setRefusal(h, code, name)
  return '1'
}

/** Why the peer cannot be asked in the way in which this request came; '' if it can. */
export function misfitOf(h: HopState, choice: PeerChoice): Refusal | '' {
  const rules = rulesOf(zones.sluice_table, choice.upstream)
  const protocol = rules === null ? '' : rules.protocol
  if (isGrpc(h)) {
    return protocol === 'grpc' ? '' : 'not_grpc'
  }
  return protocol === 'grpc'
    ? 'only_grpc'
    : protocol === 'h2' && h.v.sluice_h2 === ''
      ? 'no_h2'
      : ''
}

/**
 * What locations for a peer of these rules end in: `_h2` speaks HTTP/2, `_tls` and `_tls_any` TLS
 * (nginx/hop-conf.ts).
 */
function locationSuffix(rules: Rules | null): string {
  if (rules === null) {
    return ''
  }
  const tls = rules.tls === '' ? '' : rules.tls.indexOf('verified:') === 0 ? '_tls' : '_tls_any'
  return (rules.protocol === 'h2' ? '_h2' : '') + tls
}

/**
 * Tells nginx by which name to ask, and what to show. Throws where what is to be shown is not
 * there: the peer would take us for somebody else.
 */
function setPeerTls(h: HopState, tls: string): void {
  const parts = tls.split(':')
  const shown = parts[2] === undefined ? '' : zones.sluice_table.get('^=' + parts[2])
  if (shown === undefined) {
    throw new Error('the table has no certificate ' + parts[2] + ' to show to instances')
  }
  setTls(h, parts[1] as string, shown)
}

/** Whether another peer could take a call that this one does not. */
function isWorthAsking(
  h: HopState,
  choice: PeerChoice,
  rules: Rules | null,
  tried: string,
): boolean {
  const after = tried === '' ? choice.peer.sid : tried + ' ' + choice.peer.sid
  const table = zones.sluice_table
  const draw = drawFor(table, h.r, h.picked.key)
  return triesIn(after) < mostTries(rules, false) && isAnotherUp(table, draw, after)
}

/** Bits of RETRY_STATUSES: all but 429. */
const FAULTS = 30

/**
 * The location of the next try: one that looks at the answer's status only while yet another try
 * would be possible. Of a trial it looks for every 5xx: whether that is the peer's fault or the
 * request's, another peer shows.
 */
function locationFor(
  h: HopState,
  choice: PeerChoice,
  rules: Rules | null,
  tried: string,
  isTrial: boolean,
): string {
  const way = locationSuffix(rules)
  const named = rules === null ? 0 : rules.statuses
  const statuses = isTrial && !isGrpc(h) ? named | FAULTS : named
  if (statuses === 0) {
    return '@sluice_retry' + way
  }
  const after = tried === '' ? choice.peer.sid : tried + ' ' + choice.peer.sid
  const nth = triesIn(after)
  const table = zones.sluice_table
  const draw = drawFor(table, h.r, h.picked.key)
  const isLooked =
    isAllowed(h, rules, nth, mostTries(rules, false), true) &&
    (rules === null ||
      rules.budgetPercent === 0 ||
      canSpendTry(zones.sluice_load, choice.upstream)) &&
    isAnotherUp(table, draw, after)
  return (isLooked ? '@sluice_retry_on_' + statuses : '@sluice_retry') + way
}

/** Makes `choice` the next try; null when its last place went and nobody else has one. */
export function settle(
  h: HopState,
  first: PeerChoice,
  tried: string,
  isTrial: boolean,
): Settled | null {
  let choice: PeerChoice | null = first
  let left = CLAIMS
  while (choice !== null && left > 0 && !claim(h, choice)) {
    left--
    choice = anotherChoice(hopContext(h), h, '', tried + ' ' + choice.peer.sid, left)
    // Whose last place was taken is up all the same: it is not the time for those that were
    // ejected.
    choice = choice !== null && choice.peer.ejected ? null : choice
  }
  if (choice === null || left === 0) {
    return null
  }
  const rules = rulesOf(zones.sluice_table, choice.upstream)
  setTry(h, choice, tried, locationFor(h, choice, rules, tried, isTrial))
  if (rules !== null && rules.tls !== '') {
    setPeerTls(h, rules.tls)
  }
  setAsked(h, isGrpc(h) && isWorthAsking(h, choice, rules, tried) ? choice.peer.address : '')
  if (rules !== null && rules.measured) {
    watchAnswer(h)
  }
  return { upstream: choice.upstream, rules: rules }
}

/**
 * Whether the first try here may be made: a second one by what nginx itself has made has to be
 * paid for.
 */
function isAffordable(h: HopState, settled: Settled, tried: string): boolean {
  const rules = settled.rules
  if (rules === null || rules.budgetPercent === 0) {
    return true
  }
  if (tried !== '' && !isPaid(hopContext(h), settled.upstream, rules)) {
    return false
  }
  if (h.picked.sid === '') {
    earnTry(zones.sluice_load, settled.upstream, rules.budgetPercent)
  }
  return true
}

function beginTry(h: HopState, made: HopPlan & { does: 'try' }): string {
  const name = upstreamOf(made.choice.upstream)
  const misfit = misfitOf(h, made.choice)
  if (misfit !== '') {
    return refuse(h, misfit, name, '')
  }
  if (isHeadOnly(h.picked)) {
    // Somebody is up again since the front looked, but the body is lost.
    return refuse(h, 'no_peer', name, '')
  }
  if (made.tried !== '') {
    countEvent(counter, 'retried', h.r)
    // Whether it was sent anything, nginx does not say here.
    addUnanswered(h, made.choice.upstream, made.tried)
  }
  const settled = settle(h, made.choice, made.tried, made.isTrial)
  if (settled === null) {
    return refuse(h, 'upstream_full', name, made.tried)
  }
  if (made.isTrial) {
    setTrial(h, made.choice.peer.sid)
    emitTrial(h, made.choice.peer.sid)
  }
  if (!isAffordable(h, settled, made.tried)) {
    setFailed(h, name, triesIn(made.tried))
  }
  return h.v.sluice_location === '@sluice_retry' ? '' : '1'
}

export function begin(h: HopState, made: HopPlan): string {
  if (made.does === 'try') {
    return beginTry(h, made)
  }
  if (made.does === 'fallback') {
    // The fallback knows no gRPC.
    const target = isGrpc(h) || isHeadOnly(h.picked) ? '' : findFallback(h, made.upstream)
    if (target !== '') {
      countEvent(counter, 'fallback', h.r)
      setFallback(h, target, made.upstream)
      return ''
    }
    return refuse(h, 'no_peer', made.upstream, '')
  }
  return refuse(h, made.code, made.name, made.tried)
}

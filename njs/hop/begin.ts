/** What the hop does first with a request, and how a choice becomes the next try. */
import type { Rules } from '../../contract/table/rules.js'
import { locationSuffix, peerTlsOf } from '../../contract/table/peer-way.js'
import { upstreamOf } from '../../contract/table/table.js'
import { JUDGED_LOCATION } from '../../contract/servers.js'
import { isAnotherUp } from '../choose/choice.js'
import type { PeerChoice } from '../choose/choice-types.js'
import { countEvent } from '../memory/counters.js'
import type { CountedEvent } from '../../contract/push.js'
import { zones } from '../memory/dict.js'
import { takePlaceOnce, hopContext } from './try.js'
import {
  addUnanswered,
  findFallback,
  isGrpc,
  setPreflightPeer,
  setFailed,
  setFallback,
  setOutcome,
  setRefusal,
  setTrial,
  setNextTry,
  triesIn,
  watchAnswer,
} from './state.js'
import type { HopState, Refusal } from './state.js'
import { isHeadOnly } from './picked.js'
import { misfitOf, setPeerTls } from './peer-protocol.js'
import {
  MOST_MISSES,
  anotherChoice,
  isAllowed,
  isPaid,
  mostTries,
  statusesToRetry,
} from './retry.js'
import { emitTrial } from './try-events.js'
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

/**
 * The location of the next try: by the judge while yet another try would be possible after some
 * answer.
 */
function locationFor(
  h: HopState,
  choice: PeerChoice,
  rules: Rules | null,
  tried: string,
  isTrial: boolean,
): string {
  const plain = '@sluice_retry' + locationSuffix(rules)
  if (isGrpc(h) || statusesToRetry(rules, isTrial) === 0) {
    return plain
  }
  const after = tried === '' ? choice.peer.sid : tried + ' ' + choice.peer.sid
  const table = zones.sluice_table
  const draw = drawFor(table, h.r, h.picked.key)
  const tries = {
    count: triesIn(after),
    most: mostTries(rules, false),
    wasSent: true,
    elapsedMs: Number(h.v.request_time) * 1000,
  }
  const isJudged =
    isAllowed(h.r.method, rules, tries) &&
    (rules === null ||
      rules.budgetPercent === 0 ||
      canSpendTry(zones.sluice_load, choice.upstream)) &&
    isAnotherUp(table, draw, after)
  return isJudged ? JUDGED_LOCATION : plain
}

/** Makes `choice` the next try; null when its last place went and nobody else has one. */
export function settle(
  h: HopState,
  first: PeerChoice,
  tried: string,
  isTrial: boolean,
): Settled | null {
  let choice: PeerChoice | null = first
  let left = MOST_MISSES
  while (choice !== null && left > 0 && !takePlaceOnce(h, choice)) {
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
  setNextTry(h, choice, tried, locationFor(h, choice, rules, tried, isTrial))
  const tls = peerTlsOf(rules)
  if (tls !== null) {
    setPeerTls(h, tls)
  }
  setPreflightPeer(
    h,
    isGrpc(h) && isWorthAsking(h, choice, rules, tried) ? choice.peer.address : '',
  )
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

/**
 * Carries the plan out. '' where `$sluice_peer` is to be tried at this location; '1' where
 * `$sluice_location` names the one that goes on.
 */
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

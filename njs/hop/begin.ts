/** What the hop does first with a request, and how a choice becomes the next try. */
import type { Rules } from '../../contract/table/rules.js'
import { upstreamOf } from '../../contract/table/table.js'
import { isAnotherUp } from '../choose/choice.js'
import type { PeerChoice } from '../choose/choice.js'
import { countEvent } from '../memory/count.js'
import type { CountedEvent } from '../memory/count.js'
import { zones } from '../memory/dict.js'
import { claim, hopContext, isGrpc, printChoice, triesIn } from './request.js'
import { anotherChoice, isAllowed, isPaid, mostTries } from './retry.js'
import { emitFailed, emitTrial } from './events.js'
import { canSpendTry, earnTry } from '../memory/load.js'
import { rulesOf } from '../table/peers.js'
import { parsePick } from './plan.js'
import { drawFor } from '../choose/draw.js'
import type { HopPlan, Refusal } from './plan.js'

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
  not_grpc: 'noRoute',
  only_grpc: 'noRoute',
  no_h2: 'noPeer',
  no_peer: 'noPeer',
  upstream_full: 'full',
}

/** Where the fallback answers, or '' when there is none: then its map does not exist either. */
function fallbackTarget(r: NginxHTTPRequest, upstream: string): string {
  const v = r.variables
  v.sluice_wanted = upstream
  const target = v.sluice_fallback
  return target === undefined ? '' : upstream === '' ? (v.sluice_fallback_socket as string) : target
}

function refuse(r: NginxHTTPRequest, code: Refusal, name: string, tried: string): string {
  const v = r.variables
  countEvent(counter, COUNTED[code], r)
  v.sluice_outcome = (code === 'no_route' || name === '' ? '-' : name) + ' - ' + triesIn(tried)
  v.sluice_refused = code + ' ' + name
  v.sluice_location = '@sluice_refuse'
  return '1'
}

/** Why the peer cannot be asked in the way in which this request came; '' if it can. */
export function misfitOf(r: NginxHTTPRequest, choice: PeerChoice): Refusal | '' {
  const rules = rulesOf(zones.sluice_table, choice.upstream)
  const protocol = rules === null ? '' : rules.protocol
  if (isGrpc(r)) {
    return protocol === 'grpc' ? '' : 'not_grpc'
  }
  return protocol === 'grpc'
    ? 'only_grpc'
    : protocol === 'h2' && r.variables.sluice_h2 === ''
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
function setTls(v: NginxHTTPRequest['variables'], tls: string): void {
  const parts = tls.split(':')
  v.sluice_tls_name = parts[1]
  if (parts[2] === undefined) {
    v.sluice_tls_certificate = ''
    return
  }
  const shown = zones.sluice_table.get('^=' + parts[2])
  if (shown === undefined) {
    throw new Error('the table has no certificate ' + parts[2] + ' to show to instances')
  }
  v.sluice_tls_certificate = 'data:' + shown
}

/** Whether another peer could take a call that this one does not. */
function isWorthAsking(
  r: NginxHTTPRequest,
  choice: PeerChoice,
  rules: Rules | null,
  tried: string,
): boolean {
  const after = tried === '' ? choice.peer.sid : tried + ' ' + choice.peer.sid
  const table = zones.sluice_table
  const draw = drawFor(table, r, parsePick(r.variables.http_x_sluice_pick).key)
  return triesIn(after) < mostTries(rules, false) && isAnotherUp(table, draw, after)
}

/**
 * The location of the next try: one that looks at the answer's status only while yet another try
 * would be possible.
 */
function locationFor(
  r: NginxHTTPRequest,
  choice: PeerChoice,
  rules: Rules | null,
  tried: string,
): string {
  const way = locationSuffix(rules)
  if (rules === null || rules.statuses === 0) {
    return '@sluice_retry' + way
  }
  const after = tried === '' ? choice.peer.sid : tried + ' ' + choice.peer.sid
  const nth = triesIn(after)
  const table = zones.sluice_table
  const draw = drawFor(table, r, parsePick(r.variables.http_x_sluice_pick).key)
  const isLooked =
    isAllowed(r, rules, nth, mostTries(rules, false), true) &&
    (rules.budgetPercent === 0 || canSpendTry(zones.sluice_load, choice.upstream)) &&
    isAnotherUp(table, draw, after)
  return (isLooked ? '@sluice_look_' + rules.statuses : '@sluice_retry') + way
}

/** Makes `choice` the next try; null when its last place went and nobody else has one. */
export function settle(r: NginxHTTPRequest, first: PeerChoice, tried: string): Settled | null {
  let choice: PeerChoice | null = first
  let left = CLAIMS
  while (choice !== null && left > 0 && !claim(r, choice)) {
    left--
    choice = anotherChoice(hopContext(r), r, '', tried + ' ' + choice.peer.sid, left)
    // Whose last place was taken is up all the same: it is not the time for those that were
    // ejected.
    choice = choice !== null && choice.peer.ejected ? null : choice
  }
  if (choice === null || left === 0) {
    return null
  }
  const v = r.variables
  const rules = rulesOf(zones.sluice_table, choice.upstream)
  v.sluice_choice = printChoice(choice)
  v.sluice_tried = tried
  v.sluice_location = locationFor(r, choice, rules, tried)
  if (rules !== null && rules.tls !== '') {
    setTls(v, rules.tls)
  }
  v.sluice_asked = isGrpc(r) && isWorthAsking(r, choice, rules, tried) ? choice.peer.address : ''
  if (rules !== null && rules.measured) {
    v.sluice_watched = '1'
  }
  return { upstream: choice.upstream, rules: rules }
}

/**
 * Whether the first try here may be made: a second one by what nginx itself has made has to be
 * paid for.
 */
function isAffordable(r: NginxHTTPRequest, settled: Settled, tried: string): boolean {
  const rules = settled.rules
  if (rules === null || rules.budgetPercent === 0) {
    return true
  }
  if (tried !== '' && !isPaid(hopContext(r), settled.upstream, rules)) {
    return false
  }
  if (parsePick(r.variables.http_x_sluice_pick).sid === '') {
    earnTry(zones.sluice_load, settled.upstream, rules.budgetPercent)
  }
  return true
}

function beginTry(r: NginxHTTPRequest, made: HopPlan & { does: 'try' }): string {
  const v = r.variables
  const name = upstreamOf(made.choice.upstream)
  const misfit = misfitOf(r, made.choice)
  if (misfit !== '') {
    return refuse(r, misfit, name, '')
  }
  if (made.tried !== '') {
    countEvent(counter, 'retried', r)
    emitFailed(r, made.tried)
  }
  const settled = settle(r, made.choice, made.tried)
  if (settled === null) {
    return refuse(r, 'upstream_full', name, made.tried)
  }
  if (made.isTrial) {
    v.sluice_watched = '1'
    v.sluice_trial = made.choice.peer.sid
    emitTrial(r, made.choice.peer.sid)
  }
  if (!isAffordable(r, settled, made.tried)) {
    v.sluice_location = '@sluice_fail'
    v.sluice_outcome = name + ' - ' + triesIn(made.tried)
  }
  return v.sluice_location === '@sluice_retry' ? '' : '1'
}

export function begin(r: NginxHTTPRequest, made: HopPlan): string {
  const v = r.variables
  if (made.does === 'try') {
    return beginTry(r, made)
  }
  if (made.does === 'fallback') {
    // The fallback knows no gRPC.
    const target = isGrpc(r) ? '' : fallbackTarget(r, made.upstream)
    if (target !== '') {
      countEvent(counter, 'fallback', r)
      v.sluice_choice = target
      v.sluice_outcome = (made.upstream || '-') + ' - 1'
      return ''
    }
    return refuse(r, 'no_peer', made.upstream, '')
  }
  return refuse(r, made.code, made.name, made.tried)
}

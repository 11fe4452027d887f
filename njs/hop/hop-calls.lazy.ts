/**
 * What nginx calls in the hop: for all requests but the plain ones, which entry/hop.ts itself
 * serves.
 */
import { Width } from '../../contract/table/table.js'
import type { Code } from '../../contract/codes.js'
import { countEvent, countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { act, editAnswer, reply } from './act.js'
import { pageFor } from './act-reply.js'
import { replaceBody } from './act-page.js'
import { begin, settle } from './begin.js'
import { cookieFor, countForDrainOnce, hopContext, isIdempotent, rulesOfTry } from './try.js'
import { findNext, mostTries } from './retry.js'
import { measureAnswer, emitFailedTry } from './try-events.js'
import { plan } from './hop-plan.js'
import { grpcRefusal } from './refusal.js'
import { nextIn } from './judge-message.js'
import { askJudge } from './ask-judge.js'
import { instanceStatus, isFrontFirst, verdictOf, wasInstanceSent } from './judged.js'
import {
  currentTry,
  hopState,
  isGrpc,
  isSecondCall,
  markOwnAnswer,
  outcomeUpstream,
  refusalOf,
  setRefusal,
  startTry,
  triesIn,
} from './state.js'
import { send } from './send.js'
import type { HopState, Try } from './state.js'
import type { PeerChoice } from '../choose/choice-types.js'

const counter = zones.sluice_counter

/** '' when there is a peer to try here; else `$sluice_location` names the location that goes on. */
function decide(h: HopState): string {
  const v = h.v
  try {
    v.sluice_location = act(h)
    return (
      v.sluice_location ||
      begin(h, plan(hopContext(h), h.picked, isSecondCall(h), isIdempotent(h.r.method)))
    )
  } catch (error) {
    countFailure(counter, 'the hop', error, h.r)
    setRefusal(h, 'no_peer', '')
    return '1'
  }
}

function first(h: HopState): string {
  return decide(h) === '' ? peer(h) : ''
}

/** `$sluice_peer`: the address to try now. To be read once for each try: it counts. */
function peer(h: HopState): string {
  const current = currentTry(h)
  if (current === null) {
    return h.v.sluice_choice
  }
  startTry(h, current, current.token === '' ? '' : cookieFor(h, current, rulesOfTry(current)))
  countForDrainOnce(h, current.sid)
  return current.address
}

/** `$sluice_question`: what the judge is asked. To be read once for each try: it counts. */
function question(h: HopState): string {
  peer(h)
  return askJudge(h)
}

/**
 * Whether a call can go to another peer: nothing of its body was read yet, or all of it and none
 * was sent. nginx passes it on as it comes, and for a second location reads no more of it; while
 * it still reads, it knows no length.
 */
function isUntouched(h: HopState, wasSent: boolean): boolean {
  const v = h.v
  return !v.upstream_addr || (!wasSent && (v.content_length || '') !== '')
}

/** A peer that does not take connections is left before it counts as tried. */
function withLast(tried: string, last: string): string {
  return tried.slice(-Width.Sid) === last ? tried : (tried + ' ' + last).trim()
}

/** Whom to ask next, as far as the hop itself decides it. */
function nextAfter(h: HopState, last: Try, tried: string): PeerChoice | null {
  const tries = {
    count: triesIn(tried),
    most: mostTries(rulesOfTry(last), isFrontFirst(h, tried)),
    wasSent: wasInstanceSent(h.v),
    elapsedMs: Number(h.v.request_time) * 1000,
  }
  return isGrpc(h) && !isUntouched(h, tries.wasSent)
    ? null
    : findNext(h, last.upstream, tried, tries)
}

/** Whether there is another try, which is then settled. */
function settleNext(h: HopState): boolean {
  const v = h.v
  const last = currentTry(h)
  if (last === null) {
    return false
  }
  // What was plain has only its choice on record.
  const tried = withLast(v.sluice_tried, last.sid)
  // Where the judge names one, it has looked at all of this.
  const choice = nextIn(verdictOf(v), zones.sluice_table) || nextAfter(h, last, tried)
  return choice !== null && settle(h, choice, tried, false) !== null
}

/** `$sluice_next_location`: the location that goes on after a failed try. */
function next(h: HopState): string {
  try {
    emitFailedTry(h)
    if (!settleNext(h)) {
      return '@sluice_fail'
    }
    countEvent(counter, 'retried', h.r)
    return h.v.sluice_location
  } catch (error) {
    countFailure(counter, 'the hop', error, h.r)
    return '@sluice_fail'
  }
}

/** A call of gRPC is answered by nginx, which reads no more of it; here is what the answer says. */
function answer(h: HopState, code: Code, name: string): void {
  const r = h.r
  if (isGrpc(h)) {
    const headers = grpcRefusal(code, name)
    Object.keys(headers).forEach((header) => {
      r.headersOut[header] = headers[header]
    })
    return
  }
  const page = pageFor(h, code, name)
  markOwnAnswer(h)
  r.headersOut['Content-Type'] = page.contentType
  r.headersOut['Cache-Control'] = 'no-store'
  if (page.status === 503) {
    r.headersOut['Retry-After'] = '2'
  }
  send(r, page.status, page.body)
}

/**
 * What an instance answered where another try was to follow, and in that moment a change took away
 * whom to ask. nginx did not keep its body.
 */
function answerAsCaught(h: HopState, status: number): void {
  const retryAfter = h.v.upstream_http_retry_after || ''
  if (retryAfter !== '') {
    h.r.headersOut['Retry-After'] = retryAfter
  }
  if (isGrpc(h)) {
    h.r.status = status
  } else {
    send(h.r, status, '')
  }
}

/** Answers what `decide` refused, or for an instance when every try failed. */
function answerFailure(h: HopState): void {
  const refused = refusalOf(h)
  const caught = refused === null ? instanceStatus(h.v) : 0
  if (caught > 0) {
    answerAsCaught(h, caught)
  } else if (refused === null) {
    answer(h, 'all_failed', outcomeUpstream(h))
  } else {
    answer(h, refused.code, refused.name)
  }
}

export interface HopCalls {
  first(r: NginxHTTPRequest): string
  peer(r: NginxHTTPRequest): string
  question(r: NginxHTTPRequest): string
  next(r: NginxHTTPRequest): string
  measure(r: NginxHTTPRequest): string
  answerFailure(r: NginxHTTPRequest): void
  reply(r: NginxHTTPRequest): void
  tooSlow(r: NginxHTTPRequest): void
  editAnswer(r: NginxHTTPRequest): void
  replaceBody(r: NginxHTTPRequest, data: Buffer, flags: NginxHTTPSendBufferOptions): void
}

/** Answers when the upstream was silent for longer than its route waits. */
function tooSlow(h: HopState): void {
  answer(h, 'too_slow', '')
}

/** Never throws: the answer is better as it came than not at all. */
function editAnswerSafely(h: HopState): void {
  try {
    editAnswer(h)
  } catch (error) {
    countFailure(counter, "an answer's headers", error, h.r)
  }
}

/** What it cannot replace passes as it is. */
function replaceBodySafely(
  r: NginxHTTPRequest,
  data: Buffer,
  flags: NginxHTTPSendBufferOptions,
): void {
  try {
    replaceBody(r, data, flags)
  } catch (error) {
    countFailure(counter, "an answer's page", error, r)
    r.sendBuffer(data, flags)
  }
}

/** Each of nginx's calls sees the state as it is now. */
function withState<T>(use: (h: HopState) => T): (r: NginxHTTPRequest) => T {
  return (r) => use(hopState(r))
}

export function hopCalls(): HopCalls {
  return {
    first: withState(first),
    peer: withState(peer),
    question: withState(question),
    next: withState(next),
    measure: withState(measureAnswer),
    answerFailure: withState(answerFailure),
    reply: withState(reply),
    tooSlow: withState(tooSlow),
    editAnswer: withState(editAnswerSafely),
    replaceBody: replaceBodySafely,
  }
}

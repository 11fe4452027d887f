/**
 * What the hop seldom needs: rules, trials, further tries, refusals. The build
 * (scripts/build.mjs) puts all that this file imports inside `rest`, where the njs engine makes
 * it only for those who call it; `hold` alone is the hop's own.
 */
import { SID_LENGTH } from '../../contract/table/table.js'
import type { Code } from '../../contract/codes.js'
import { countEvent, countFailure } from '../memory/count.js'
import { zones } from '../memory/dict.js'
import { act, dress, pageFor, reply } from './act.js'
import { paper } from './act-page.js'
import { begin, misfitOf, settle } from './begin.js'
import {
  cookieFor,
  followTry,
  hopContext,
  isGrpc,
  isIdempotent,
  parseChoice,
  rulesOfTried,
  triesIn,
} from './request.js'
import { anotherChoice, isAllowed, isPaid, mostTries } from './retry.js'
import { measureAnswer, emitFailedTry } from './events.js'
import { parsePick, plan } from './plan.js'
import { grpcRefusal } from './refusal.js'

const counter = zones.sluice_counter

/** '' when there is a peer to try here; else `$sluice_location` names the location that goes on. */
function refusal(r: NginxHTTPRequest): string {
  const v = r.variables
  try {
    v.sluice_location = act(r)
    if (v.sluice_location !== '') {
      return v.sluice_location
    }
    const isSecond = (v.server_addr as string).indexOf('again.sock') >= 0
    return begin(
      r,
      plan(hopContext(r), parsePick(v.http_x_sluice_pick), isSecond, isIdempotent(r.method)),
    )
  } catch (error) {
    countFailure(counter, 'the hop', error, r)
    v.sluice_refused = 'no_peer '
    v.sluice_location = '@sluice_refuse'
    return '1'
  }
}

function first(r: NginxHTTPRequest): string {
  return refusal(r) === '' ? peer(r) : ''
}

/** `$sluice_peer`: the address to try now. To be read once for each try: it counts. */
function peer(r: NginxHTTPRequest): string {
  const v = r.variables
  const choice = parseChoice(v.sluice_choice as string)
  if (choice === null) {
    return v.sluice_choice as string
  }
  const tried = v.sluice_tried as string
  v.sluice_tried = tried === '' ? choice.sid : tried + ' ' + choice.sid
  v.sluice_outcome = choice.upstream.slice(1) + ' ' + choice.id + ' ' + triesIn(v.sluice_tried)
  v.sluice_cookie = choice.token === '' ? '' : cookieFor(r, choice, rulesOfTried(choice))
  followTry(r, choice.sid)
  return choice.address
}

/**
 * Whether a call can go to another peer: nothing of its body was read yet, or all of it and none
 * was sent. nginx passes it on as it comes, and for a second location reads no more of it; while
 * it still reads, it knows no length.
 */
function isUntouched(r: NginxHTTPRequest, wasSent: boolean): boolean {
  const v = r.variables
  return !v.upstream_addr || (!wasSent && (v.content_length || '') !== '')
}

/** A peer that does not take connections is left before it counts as tried. */
function withLast(tried: string, last: string): string {
  return tried.slice(-SID_LENGTH) === last ? tried : (tried + ' ' + last).trim()
}

/** Whether there is another try, which is then settled. */
function settleNext(r: NginxHTTPRequest): boolean {
  const v = r.variables
  const last = parseChoice(v.sluice_choice as string)
  if (last === null) {
    return false
  }
  // What was plain has only its choice on record.
  const tried = withLast(v.sluice_tried as string, last.sid)
  const nth = triesIn(tried)
  const rules = rulesOfTried(last)
  // The front tried the first of them, or this is the first.
  const front = parsePick(v.http_x_sluice_pick).sid
  const most = mostTries(rules, front !== '' && tried.indexOf(front) === 0)
  const wasSent = /[1-9]/.test(v.upstream_bytes_sent || '')
  if (isGrpc(r) && !isUntouched(r, wasSent)) {
    return false
  }
  if (!isAllowed(r, rules, nth, most, wasSent)) {
    return false
  }
  const ground = hopContext(r)
  const choice = anotherChoice(ground, r, last.sid, tried, nth)
  return (
    choice !== null &&
    misfitOf(r, choice) === '' &&
    isPaid(ground, last.upstream, rules) &&
    settle(r, choice, tried) !== null
  )
}

/** `$sluice_next`: the location that goes on after a failed try. */
function next(r: NginxHTTPRequest): string {
  try {
    emitFailedTry(r)
    if (!settleNext(r)) {
      return '@sluice_fail'
    }
    countEvent(counter, 'retried', r)
    return r.variables.sluice_location as string
  } catch (error) {
    countFailure(counter, 'the hop', error, r)
    return '@sluice_fail'
  }
}

function answer(r: NginxHTTPRequest, code: Code, name: string): void {
  if (isGrpc(r)) {
    const headers = grpcRefusal(code, name)
    Object.keys(headers).forEach((header) => {
      r.headersOut[header] = headers[header]
    })
    r.return(200, '')
    return
  }
  const v = r.variables
  const page = pageFor(r, code, name)
  v.sluice_outcome = v.sluice_outcome + '!'
  r.headersOut['Content-Type'] = page.contentType
  r.headersOut['Cache-Control'] = 'no-store'
  if (page.status === 503) {
    r.headersOut['Retry-After'] = '2'
  }
  r.return(page.status, page.body)
}

/** Answers what `refusal` found, or when every try failed. */
function page(r: NginxHTTPRequest): void {
  const v = r.variables
  if (v.sluice_location !== '@sluice_refuse') {
    answer(r, 'all_failed', (v.sluice_outcome as string).split(/[ .]/)[0] as string)
    return
  }
  const text = v.sluice_refused as string
  const space = text.indexOf(' ')
  answer(r, text.slice(0, space) as Code, text.slice(space + 1))
}

export interface HopRare {
  first(r: NginxHTTPRequest): string
  peer(r: NginxHTTPRequest): string
  next(r: NginxHTTPRequest): string
  measure(r: NginxHTTPRequest): string
  page(r: NginxHTTPRequest): void
  reply(r: NginxHTTPRequest): void
  late(r: NginxHTTPRequest): void
  dress(r: NginxHTTPRequest): void
  paper(r: NginxHTTPRequest, data: Buffer, flags: NginxHTTPSendBufferOptions): void
}

/** Answers when the upstream was silent for longer than its route waits. */
function late(r: NginxHTTPRequest): void {
  answer(r, 'too_slow', '')
}

/** Never throws: the answer is better as it came than not at all. */
function dressSafely(r: NginxHTTPRequest): void {
  try {
    dress(r)
  } catch (error) {
    countFailure(counter, "an answer's headers", error, r)
  }
}

/** What it cannot replace passes as it is. */
function paperSafely(r: NginxHTTPRequest, data: Buffer, flags: NginxHTTPSendBufferOptions): void {
  try {
    paper(r, data, flags)
  } catch (error) {
    countFailure(counter, "an answer's page", error, r)
    r.sendBuffer(data, flags)
  }
}

export function hopRare(): HopRare {
  return {
    first: first,
    peer: peer,
    next: next,
    measure: measureAnswer,
    page: page,
    reply: reply,
    late: late,
    dress: dressSafely,
    paper: paperSafely,
  }
}

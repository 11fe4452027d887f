/**
 * The hop: a server on a unix socket of the same nginx, to which the front's native rules hand what the pool did not
 * serve. It tries other peers by address, or says why there is none.
 */
import type { Code } from '../contract/codes.js'
import type { Rules } from '../contract/rules.js'
import { isAnotherUp } from './choice.js'
import type { Choice } from './choice.js'
import { count, countFailure } from './count.js'
import { zones } from './dict.js'
import { appendEvent } from './events.js'
import {
  claim,
  cookieFor,
  follow,
  groundOf,
  isIdempotent,
  parseChoice,
  printChoice,
  rulesOfTried,
  triesIn,
} from './hop-request.js'
import { anotherChoice, isAllowed, isPaid, mostTries } from './hop-retry.js'
import { addAnswer, earnTry } from './load.js'
import { drawOf, parsePick, plan } from './plan.js'
import type { Plan } from './plan.js'
import { refusalPage } from './refusal.js'

const counter = zones.sluice_counter

/** A place that was free when it was chosen may be taken since; then another is. */
const CLAIMS = 3

/** Where the fallback answers, or '' when there is none: then its map does not exist either. */
function fallbackTarget(r: NginxHTTPRequest, upstream: string): string {
  const v = r.variables
  v.sluice_wanted = upstream
  const target = v.sluice_fallback
  return target === undefined ? '' : upstream === '' ? (v.sluice_fallback_socket as string) : target
}

function refuse(r: NginxHTTPRequest, code: Code, name: string, tried: string): string {
  const v = r.variables
  count(counter, code === 'no_route' ? 'noRoute' : 'noPeer', r)
  v.sluice_outcome = (code === 'no_route' || name === '' ? '-' : name) + ' - ' + triesIn(tried)
  v.sluice_refused = code + ' ' + name
  v.sluice_turn = '@sluice_refuse'
  return '1'
}

function tellFailed(r: NginxHTTPRequest, sid: string): void {
  try {
    appendEvent(zones.sluice_event, counter, 'f' + sid)
  } catch (error) {
    countFailure(counter, 'telling of a failure', error, r)
  }
}

/** The location of the next try: one that looks at the answer's status only while yet another try would be possible. */
function locationFor(
  r: NginxHTTPRequest,
  choice: Choice,
  rules: Rules | null,
  tried: string,
): string {
  if (rules === null || rules.statuses === 0) {
    return '@sluice_retry'
  }
  const after = tried === '' ? choice.peer.sid : tried + ' ' + choice.peer.sid
  const nth = triesIn(after)
  const table = zones.sluice_table
  const draw = drawOf(table, r, parsePick(r.variables.http_x_sluice_pick).key)
  const isLooked =
    isAllowed(r, rules, nth, mostTries(rules, false), true) && isAnotherUp(table, draw, after)
  return isLooked ? '@sluice_look_' + rules.statuses : '@sluice_retry'
}

/** Makes `choice` the next try; null when its last place went and nobody else has one. */
function settle(r: NginxHTTPRequest, first: Choice, tried: string): Choice | null {
  let choice: Choice | null = first
  let left = CLAIMS
  while (choice !== null && left > 0 && !claim(r, choice)) {
    left--
    choice = anotherChoice(groundOf(r), r, '', tried + ' ' + choice.peer.sid, left)
  }
  if (choice === null || left === 0) {
    return null
  }
  const v = r.variables
  v.sluice_choice = printChoice(choice)
  v.sluice_tried = tried
  const rules = rulesOfTried(parseChoice(v.sluice_choice))
  v.sluice_turn = locationFor(r, choice, rules, tried)
  if (rules !== null && rules.measured) {
    v.sluice_watched = '1'
  }
  return choice
}

function beginTry(r: NginxHTTPRequest, made: Plan & { does: 'try' }): string {
  const v = r.variables
  const name = made.choice.upstream.slice(1)
  if (made.tried !== '') {
    count(counter, 'retried', r)
    tellFailed(r, made.tried)
  }
  const choice = settle(r, made.choice, made.tried)
  if (choice === null) {
    return refuse(r, 'no_peer', name, made.tried)
  }
  const rules = rulesOfTried(parseChoice(v.sluice_choice as string))
  if (made.isTrial) {
    v.sluice_watched = '1'
    v.sluice_trial = made.choice.peer.sid
  }
  if (rules === null || rules.budgetPercent === 0) {
    return v.sluice_turn === '@sluice_retry' ? '' : '1'
  }
  if (made.tried !== '' && !isPaid(groundOf(r), choice.upstream, rules)) {
    v.sluice_turn = '@sluice_fail'
    v.sluice_outcome = name + ' - ' + triesIn(made.tried)
    return '1'
  }
  if (parsePick(v.http_x_sluice_pick).sid === '') {
    earnTry(zones.sluice_load, choice.upstream, rules.budgetPercent)
  }
  return v.sluice_turn === '@sluice_retry' ? '' : '1'
}

function begin(r: NginxHTTPRequest, made: Plan): string {
  const v = r.variables
  if (made.does === 'try') {
    return beginTry(r, made)
  }
  if (made.does === 'fallback') {
    const target = fallbackTarget(r, made.upstream)
    if (target !== '') {
      count(counter, 'fallback', r)
      v.sluice_choice = target
      v.sluice_outcome = (made.upstream || '-') + ' - 1'
      return ''
    }
    return refuse(r, 'no_peer', made.upstream, '')
  }
  return refuse(r, made.code, made.name, made.tried)
}

/** `$sluice_refusal`: '' when there is a peer to try here; else `$sluice_turn` names the location that goes on. */
function refusal(r: NginxHTTPRequest): string {
  const v = r.variables
  try {
    const isSecond = (v.server_addr as string).indexOf('again.sock') >= 0
    return begin(
      r,
      plan(groundOf(r), parsePick(v.http_x_sluice_pick), isSecond, isIdempotent(r.method)),
    )
  } catch (error) {
    countFailure(counter, 'the hop', error, r)
    v.sluice_refused = 'no_peer '
    v.sluice_turn = '@sluice_refuse'
    return '1'
  }
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
  follow(r, choice.sid)
  return choice.address
}

function nextChoice(r: NginxHTTPRequest): Choice | null {
  const v = r.variables
  const last = parseChoice(v.sluice_choice as string)
  if (last === null) {
    return null
  }
  const tried = v.sluice_tried as string
  const nth = triesIn(tried)
  const rules = rulesOfTried(last)
  // The front tried the first of them, or this is the first.
  const front = parsePick(v.http_x_sluice_pick).sid
  const most = mostTries(rules, front !== '' && tried.indexOf(front) === 0)
  const wasSent = /[1-9]/.test(v.upstream_bytes_sent || '')
  if (!isAllowed(r, rules, nth, most, wasSent)) {
    return null
  }
  const ground = groundOf(r)
  const choice = anotherChoice(ground, r, last.sid, tried, nth)
  return choice === null || !isPaid(ground, last.upstream, rules) ? null : settle(r, choice, tried)
}

/** Counts a try that failed, unless its answer is one that only asks for patience (429). */
function countFailedTry(r: NginxHTTPRequest): void {
  const v = r.variables
  const last = parseChoice(v.sluice_choice as string)
  if (last === null || /^4/.test(v.upstream_status || '')) {
    return
  }
  tellFailed(r, last.sid)
  const rules = rulesOfTried(last)
  if (rules !== null && rules.measured) {
    addAnswer(zones.sluice_load, last.sid, { isError: true, millis: 0 }, Date.now())
  }
}

/** `$sluice_next`: the location that goes on after a failed try. */
function next(r: NginxHTTPRequest): string {
  try {
    countFailedTry(r)
    if (nextChoice(r) === null) {
      return '@sluice_fail'
    }
    count(counter, 'retried', r)
    return r.variables.sluice_turn as string
  } catch (error) {
    countFailure(counter, 'the hop', error, r)
    return '@sluice_fail'
  }
}

/** `$sluice_told`, when an answer begins and somebody waits for how it is: a trial, or a policy that measures. */
function told(r: NginxHTTPRequest): string {
  const v = r.variables
  try {
    const choice = parseChoice(v.sluice_choice as string)
    const statuses = (v.upstream_status || '').split(/, | : /)
    const status = Number(statuses[statuses.length - 1])
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

function answer(r: NginxHTTPRequest, code: Code, name: string): void {
  const page = refusalPage(code, name, r.headersIn.Accept)
  r.headersOut['Content-Type'] = page.contentType
  r.headersOut['Cache-Control'] = 'no-store'
  if (page.status === 503) {
    r.headersOut['Retry-After'] = '2'
  }
  r.return(page.status, page.body)
}

/** Answers what `$sluice_refusal` found. */
function refused(r: NginxHTTPRequest): void {
  const text = r.variables.sluice_refused as string
  const space = text.indexOf(' ')
  answer(r, text.slice(0, space) as Code, text.slice(space + 1))
}

/** Answers when every try failed. */
function failed(r: NginxHTTPRequest): void {
  answer(r, 'all_failed', (r.variables.sluice_outcome as string).split(' ')[0] as string)
}

export default { refusal, peer, next, told, refused, failed }

/**
 * The hop: a server on a unix socket of the same nginx, to which the front's native rules hand what the pool did not
 * serve. A named location is a new VM, so what must outlast a try stands in nginx variables.
 */
import { MAX_TRIES, SHARES } from '../contract/zones.js'
import type { Code } from '../contract/codes.js'
import { activeKey, enter, leave } from './active.js'
import { choose } from './choice.js'
import type { Choice } from './choice.js'
import { count, countFailure } from './count.js'
import { zones } from './dict.js'
import { drawOf, parsePick, plan } from './plan.js'
import type { Plan } from './plan.js'
import { refusalPage } from './refusal.js'

const table = zones.sluice_table
const counter = zones.sluice_counter

function triesIn(tried: string): number {
  return tried === '' ? 0 : tried.split(' ').length
}

/** `:web 10.0.0.7:80 <sid> <id>` */
function printChoice(choice: Choice): string {
  return choice.upstream + ' ' + choice.peer.address + ' ' + choice.peer.sid + ' ' + choice.peer.id
}

function isFallback(choice: string): boolean {
  return choice.charAt(0) !== ':'
}

/** Where the fallback answers, or '' when there is none: then its map does not exist either. */
function fallbackTarget(r: NginxHTTPRequest, upstream: string): string {
  const v = r.variables
  v.sluice_wanted = upstream
  const target = v.sluice_fallback
  return target === undefined ? '' : upstream === '' ? (v.sluice_fallback_socket as string) : target
}

function begin(r: NginxHTTPRequest, made: Plan): string {
  const v = r.variables
  if (made.does === 'try') {
    v.sluice_tried = made.tried
    v.sluice_choice = printChoice(made.choice)
    if (made.tried !== '') {
      count(counter, 'retried', r)
    }
    return ''
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

function refuse(r: NginxHTTPRequest, code: Code, name: string, tried: string): string {
  const v = r.variables
  count(counter, code === 'no_route' ? 'noRoute' : 'noPeer', r)
  v.sluice_outcome = (code === 'no_route' || name === '' ? '-' : name) + ' - ' + triesIn(tried)
  v.sluice_refused = code + ' ' + name
  return '1'
}

/** `$sluice_refusal`: '' when there is a peer to try, `1` when the hop answers itself. */
function refusal(r: NginxHTTPRequest): string {
  const v = r.variables
  try {
    const isSecond = (v.server_addr as string).indexOf('again.sock') >= 0
    return begin(r, plan(table, r, parsePick(v.http_x_sluice_pick), isSecond))
  } catch (error) {
    countFailure(counter, 'the hop', error, r)
    v.sluice_refused = 'no_peer '
    return '1'
  }
}

/** `$sluice_peer`: the address to try now. To be read once for each try: it counts. */
function peer(r: NginxHTTPRequest): string {
  const v = r.variables
  const choice = v.sluice_choice as string
  if (isFallback(choice)) {
    return choice
  }
  const parts = choice.split(' ')
  const sid = parts[2] as string
  const tried = v.sluice_tried as string
  v.sluice_tried = tried === '' ? sid : tried + ' ' + sid
  v.sluice_outcome = (parts[0] as string).slice(1) + ' ' + parts[3] + ' ' + triesIn(v.sluice_tried)
  // The front's own is counted by its limit_conn.
  if (sid !== parsePick(v.http_x_sluice_pick).sid) {
    follow(r, activeKey(sid, process.pid))
  }
  return parts[1] as string
}

function follow(r: NginxHTTPRequest, key: string): void {
  const active = zones.sluice_active
  try {
    enter(active, key)
  } catch (error) {
    countFailure(counter, 'counting a request', error, r)
    return
  }
  // njs 0.8.9 crashes when an exit hook touches the request.
  njs.on('exit', () => leave(active, key))
}

function nextChoice(r: NginxHTTPRequest): Choice | null {
  const v = r.variables
  const last = v.sluice_choice as string
  const tried = v.sluice_tried as string
  const wasSent = /[1-9]/.test(v.upstream_bytes_sent || '')
  if (isFallback(last) || triesIn(tried) >= MAX_TRIES) {
    return null
  }
  // nginx's own rule: what is not idempotent is not sent twice.
  if (wasSent && /^(POST|PATCH|LOCK)$/.test(r.method)) {
    return null
  }
  const draw = drawOf(table, r, parsePick(v.http_x_sluice_pick).key)
  draw.share = (draw.share + triesIn(tried) * 619) % SHARES
  return choose(table, draw, last.split(' ')[2] as string, tried)
}

/** `$sluice_next`: the location that goes on after a failed try. */
function next(r: NginxHTTPRequest): string {
  try {
    const choice = nextChoice(r)
    if (choice === null) {
      return '@sluice_fail'
    }
    r.variables.sluice_choice = printChoice(choice)
    count(counter, 'retried', r)
    return '@sluice_retry'
  } catch (error) {
    countFailure(counter, 'the hop', error, r)
    return '@sluice_fail'
  }
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

export default { refusal, peer, next, refused, failed }

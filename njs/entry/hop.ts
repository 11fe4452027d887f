/**
 * The hop: a server on a unix socket of the same nginx. The front's native rules pass to it what
 * the pool did not serve. It tries other peers by address, or says why there is none. Where nginx
 * has no pool, each request comes here; so plain requests, nearly all of them, are served by what
 * stands here, and hop/hop-calls.lazy.ts has all else.
 */
import { SlotMark } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import { countForDrain } from '../memory/count-for-drain.js'
import type { HopVariables } from '../hop/hop-variables.js'
import { hopCalls } from '../hop/hop-calls.lazy.js'
import { lineOf, linesFor } from '../table/peer-line.js'
import { drawSid, findUnit } from '../table/lookup.js'

/** `:web`, then a peer's line without a session's name. */
const PLAIN_PARTS = 5

/**
 * The line of the peer that a plain upstream's slot draws; '' for all that `hopCalls` has to look
 * at.
 */
function plainLine(r: NginxHTTPRequest, key: string): string {
  const table = zones.sluice_table
  const unit = findUnit(table, key, r)
  const record = unit < ':' || unit > ';' ? undefined : table.get(unit)
  // Its number of buckets alone: it has no rules.
  if (record === undefined || record.indexOf(' ', Width.Digest) > 0) {
    return ''
  }
  const slotKey = unit + key.slice(key.lastIndexOf('/'))
  const value = table.get(slotKey)
  // A trial, or an upstream whose rules choose.
  if (
    value === undefined ||
    value < SlotMark.Cells ||
    (value >= SlotMark.Ruled && value < SlotMark.Shared)
  ) {
    return ''
  }
  const sid =
    value > SlotMark.BelowSid
      ? value
      : drawSid(table, slotKey, value, Number(r.variables.sluice_share))
  const line = sid === '' ? '' : lineOf(linesFor(table, unit, record, sid), sid)
  return line === '' ? '' : unit + ' ' + line
}

/**
 * The same as `hopCalls` would do: nothing was tried yet, there are no rules, and the first line
 * found is up. '' for anything else.
 */
function plainPeer(r: NginxHTTPRequest): string {
  const v = r.variables as unknown as HopVariables
  const pick = v.http_x_sluice_pick as string
  // Behind a space stands what the front picked; the space alone does not pass a header.
  if (pick.indexOf(' ') >= 0 || v.server_addr.indexOf('hop.sock') < 0) {
    return ''
  }
  const choice = plainLine(r, pick)
  const parts = choice.split(' ')
  if (parts.length !== PLAIN_PARTS || (parts[4] as string) < 'u') {
    return ''
  }
  countForDrain(parts[1] as string)
  v.sluice_choice = choice
  v.sluice_outcome = (parts[0] as string).slice(1) + ' ' + parts[3] + ' 1'
  return parts[2] as string
}

/**
 * `$sluice_first_peer`: the address to try first; '' when `$sluice_location` names a location that
 * goes on instead.
 */
function first(r: NginxHTTPRequest): string {
  let address = ''
  try {
    address = plainPeer(r)
  } catch (error) {
    // What threw here throws in the lazy group too, which logs it.
  }
  return address || hopCalls().first(r)
}

/** Another try of a peer without a session. '' for any other. */
function plainAgain(r: NginxHTTPRequest): string {
  const v = r.variables as unknown as HopVariables
  const parts = v.sluice_choice.split(' ')
  if (parts.length !== PLAIN_PARTS) {
    return ''
  }
  const sid = parts[1] as string
  // What the front picked it counts itself.
  if ((v.http_x_sluice_pick || '').slice(-Width.Sid) !== sid) {
    countForDrain(sid)
  }
  const tried = (v.sluice_tried + ' ' + sid).trim()
  v.sluice_tried = tried
  v.sluice_outcome =
    (parts[0] as string).slice(1) + ' ' + parts[3] + ' ' + (tried.length + 1) / (Width.Sid + 1)
  v.sluice_session_cookie = ''
  return parts[2] as string
}

/** `$sluice_peer`: the address to try now. To be read once for each try: it counts. */
function peer(r: NginxHTTPRequest): string {
  let address = ''
  try {
    address = plainAgain(r)
  } catch (error) {
    // The lazy group throws and logs it.
  }
  return address || hopCalls().peer(r)
}

/** `$sluice_question`: what the judge is asked of the try that begins. */
function question(r: NginxHTTPRequest): string {
  return hopCalls().question(r)
}

/** `$sluice_next_location`: the location that goes on after a failed try. */
function next(r: NginxHTTPRequest): string {
  return hopCalls().next(r)
}

/** `$sluice_measured`: what the access log reports, after the answer was measured. */
function measure(r: NginxHTTPRequest): string {
  return hopCalls().measure(r)
}

function answerFailure(r: NginxHTTPRequest): void {
  hopCalls().answerFailure(r)
}

first.peer = peer
first.question = question
first.next = next
first.measure = measure
first.answerFailure = answerFailure
first.reply = (r: NginxHTTPRequest): void => hopCalls().reply(r)
first.tooSlow = (r: NginxHTTPRequest): void => hopCalls().tooSlow(r)
first.editAnswer = (r: NginxHTTPRequest): void => hopCalls().editAnswer(r)
first.replaceBody = (r: NginxHTTPRequest, data: Buffer, flags: NginxHTTPSendBufferOptions): void =>
  hopCalls().replaceBody(r, data, flags)

export default first

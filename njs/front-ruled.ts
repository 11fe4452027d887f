/** What the front has to do for trials, rules and splits without slots. Put inside `ruled` by the build (scripts/build.mjs). */
import { parseSlot } from '../contract/table.js'
import type { Entry, Rules } from '../contract/rules.js'
import { armOf, inSession } from './arm.js'
import { whoIs } from './choice.js'
import type { Dict, NumberDict } from './dict.js'
import { lastOf } from './tries.js'
import { hold } from './hold.js'
import { addAnswer, earnTry, isTrialOpen } from './load.js'
import { drawSid, findUnit } from './lookup.js'
import type { Asked } from './lookup.js'
import { rulesOf } from './peers.js'
import { chooseByRules, counts, isForHop } from './policy/balance.js'
import { sessionEntry } from './policy/session.js'
import { take } from './take.js'

export interface FrontRequest extends Asked {
  readonly method: string
}

/** From here on an exit hook may ask the request; before, the hop measures. */
const ASKS_AT_EXIT = 0x010000

/** A trial may fail, so it goes to the hop, which tries another then; and it is one of what may be sent twice. */
function isForTrial(load: NumberDict, r: FrontRequest, trial: string): boolean {
  return (
    trial !== '' &&
    (r.method === 'GET' || r.method === 'HEAD') &&
    isTrialOpen(load, trial, Date.now())
  )
}

/** Counts what the peer answered, unless the hop did: its address is a path, and it counts itself. */
function measureAtExit(load: NumberDict, r: FrontRequest, sid: string): void {
  hold(() => {
    const v = r.variables
    const status = lastOf(v.upstream_status)
    if (lastOf(v.upstream_addr).indexOf('.sock') >= 0 || !/^\d{3}$/.test(status)) {
      return
    }
    const isError = Number(status) >= 500
    const millis = Number(lastOf(v.upstream_header_time)) * 1000
    addAnswer(load, sid, { isError: isError, millis: millis || 0 }, Date.now())
  })
}

function needsHop(rules: Rules, session: Entry | null): boolean {
  if (isForHop(rules) || (rules.measured && njs.version_number < ASKS_AT_EXIT)) {
    return true
  }
  // Only the hop can add a cookie to the answer without getting in the way of the user's own headers.
  return rules.sticky.indexOf('cookie:') === 0 && session === null
}

function pickRuled(table: Dict, load: NumberDict, r: FrontRequest, upstream: string): string {
  const rules = rulesOf(table, upstream)
  if (rules === null || rules.balance === 'n') {
    return ''
  }
  const session = sessionEntry(table, r, upstream, rules)
  if (needsHop(rules, session) || isForTrial(load, r, rules.trial)) {
    return ''
  }
  if (rules.budgetPercent > 0) {
    earnTry(load, upstream, rules.budgetPercent)
  }
  return pickAndCount(table, load, r, upstream, rules, session)
}

function pickAndCount(
  table: Dict,
  load: NumberDict,
  r: FrontRequest,
  upstream: string,
  rules: Rules,
  session: Entry | null,
): string {
  const v = r.variables
  const entry = chooseByRules({
    table: table,
    load: load,
    asked: r,
    upstream: upstream,
    rules: rules,
    session: session,
    slot: Number(v.sluice_slot),
    share: Number(v.sluice_share),
    tried: '',
    nowMs: Date.now(),
  })
  if (entry === null || (counts(rules) && !take(load, rules, upstream, entry, process.pid))) {
    return ''
  }
  if (rules.measured) {
    measureAtExit(load, r, entry.sid)
  }
  return entry.sid
}

/** Of a unit without slots. '' when the hop has to, which can give a cookie. */
function pickFrom(
  table: Dict,
  load: NumberDict,
  r: FrontRequest,
  key: string,
  unit: string,
): string {
  let upstream = unit
  if (unit.charAt(0) === '~') {
    const v = r.variables
    const arm = armOf(table, r, unit, Number(v.sluice_slot), Number(v.sluice_share))
    upstream = arm.cookie === '' ? arm.upstream : ''
    const slotKey = upstream + key.slice(key.lastIndexOf('/'))
    const value = upstream === '' ? undefined : table.get(slotKey)
    if (value !== undefined) {
      return pickFromSlot(table, load, r, key, slotKey, value)
    }
  }
  return upstream.charAt(0) === ':' ? pickRuled(table, load, r, upstream) : ''
}

export interface Ruled {
  pickFrom: typeof pickFrom
  pickFromSlot: typeof pickFromSlot
}

export function ruled(): Ruled {
  return { pickFrom: pickFrom, pickFromSlot: pickFromSlot }
}

function pickFromSlot(
  table: Dict,
  load: NumberDict,
  r: FrontRequest,
  key: string,
  slotKey: string,
  text: string,
): string {
  const slot = parseSlot(text)
  if (isForTrial(load, r, slot.trial)) {
    return ''
  }
  // Only asked for when it is needed: nginx draws it from a long list.
  const sid = drawSid(table, slotKey, slot.value, Number(r.variables.sluice_share))
  if (!slot.ruled) {
    return sid
  }
  const unit = findUnit(table, key, r)
  const known = whoIs(table, unit, sid)
  const drawn = known === null ? '' : known.upstream
  return pickRuled(table, load, r, inSession(table, r, unit, drawn))
}

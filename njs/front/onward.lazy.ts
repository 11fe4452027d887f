/**
 * Where the front goes on with a request before anything of its body is read: with what a route
 * changes, and with what is refused.
 */
import { SlotMark, UnitKind } from '../../contract/table/mark.js'
import type { RouteAction } from '../../contract/record/route-action.js'
import { parseActionRecord } from '../../contract/table/action-record.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import { Width, STATE_KEY, parseState } from '../../contract/table/table.js'
import {
  ACTING_LOCATION,
  BODY_LIMITS,
  GRPC_WAY,
  HEAD_ONLY,
  HOP_LOCATION,
  PATIENT_LOCATION,
  REFUSING_LOCATION,
  TOO_LARGE,
} from '../../contract/servers.js'
import { isAnotherUp } from '../choose/choice.js'
import { drawFor } from '../choose/draw.js'
import { askedAddress, redirectTo } from '../hop/act-uri.js'
import type { Dict } from '../memory/dict.js'
import { findUnit } from '../table/lookup.js'
import { rulesOf } from '../table/peers.js'
import { changeHere } from './change-here.lazy.js'
import type { FrontRequest } from './request.js'

function refusing(r: FrontRequest, mark: string): string {
  r.variables.sluice_refusal_mark = mark
  return REFUSING_LOCATION
}

/** Whether the route sends the client elsewhere: the hop asks the same. */
function isRedirected(r: FrontRequest, known: ActionRecord): boolean {
  const redirect = known.action.redirect
  if (redirect === undefined) {
    return false
  }
  const v = r.variables
  // What a trusted proxy says, where one is (nginx/forwarded.ts).
  const scheme = v.sluice_client_proto || v.scheme || ''
  const host = v.sluice_client_host || v.sluice_host || ''
  const asked = askedAddress(scheme, host, v.request_uri as string)
  return redirectTo(redirect, asked, known.prefix) !== ''
}

/** Whether nobody who may serve this key is up, or none of them can be asked by plain HTTP. */
function isHopeless(table: Dict, r: FrontRequest, key: string): boolean {
  const draw = drawFor(table, r, key)
  if (!isAnotherUp(table, draw, '')) {
    return true
  }
  const rules = draw.unit.charAt(0) === UnitKind.Upstream ? rulesOf(table, draw.unit) : null
  return rules !== null && rules.protocol === 'grpc'
}

/** '' where the body fits, `_4096` where it says no length, null where it is too large. */
function limitFor(r: FrontRequest, action: RouteAction): string | null {
  const most = action.maxBodyBytes
  if (most === undefined) {
    return ''
  }
  const length = r.variables.content_length || ''
  if (length !== '') {
    return Number(length) > most ? null : ''
  }
  const limit = BODY_LIMITS.filter((bytes) => bytes >= most)[0]
  return limit === undefined ? '' : '_' + limit
}

/** Whether the route takes no body at all now. */
function takesNone(table: Dict, r: FrontRequest, key: string, known: ActionRecord): boolean {
  return (
    known.action.maintenance !== undefined ||
    known.target === '-' ||
    isRedirected(r, known) ||
    isHopeless(table, r, key)
  )
}

/** Where a request that has a body goes on, for the route `&docs`. */
function forUnit(table: Dict, r: FrontRequest, key: string, unit: string): string {
  const record = table.get(unit)
  if (record === undefined) {
    // The table lost it a moment ago: the hop looks again.
    return HOP_LOCATION
  }
  const known = parseActionRecord(record.slice(Width.Digest))
  const action = known.action
  const acting = action.timeouts === undefined ? ACTING_LOCATION : PATIENT_LOCATION
  if (takesNone(table, r, key, known)) {
    return refusing(r, HEAD_ONLY)
  }
  const limit = limitFor(r, action)
  if (limit === null) {
    return refusing(r, TOO_LARGE)
  }
  if (limit !== '') {
    // What is cut while it is read is refused for this.
    r.variables.sluice_refusal_mark = TOO_LARGE
  }
  return changeHere()(table, r, unit, record, null) || acting + limit
}

/** Where the front goes on with a request whose slot has this value, if that is a kept one. */
function forKept(r: FrontRequest, value: string): string {
  const isKept = value > SlotMark.Kept && value < SlotMark.AboveKept
  if (isKept && value.indexOf(' ' + GRPC_WAY + ' ') > 0) {
    return refusing(r, HEAD_ONLY)
  }
  // The pick, which says where.
  return isKept && r.variables.sluice_sid === '' ? (r.variables.sluice_onward as string) : ''
}

/** Where a request that has a body goes on; '' where the pool, or the hop, is asked as ever. */
function forBody(table: Dict, r: FrontRequest): string {
  const key = r.variables.sluice_key as string
  const found = table.get(key)
  if (found !== undefined) {
    return forKept(r, found)
  }
  const unit = findUnit(table, key, r)
  if (unit.charAt(0) === UnitKind.Action) {
    return forUnit(table, r, key, unit)
  }
  const slotKey = unit + key.slice(key.lastIndexOf('/'))
  const value = table.get(slotKey)
  if (unit !== '' && (value !== undefined || !isHopeless(table, r, key))) {
    return value === undefined ? '' : forKept(r, value)
  }
  // Before the table is whole, the fallback may know it.
  return parseState(table.get(STATE_KEY)).whole ? refusing(r, HEAD_ONLY) : ''
}

export function onward(): typeof forBody {
  return forBody
}

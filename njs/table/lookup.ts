/**
 * From a request's key to the unit that serves it and to the SID it draws. Shared by the front
 * and the hop.
 */
import { ACME_PREFIX } from '../../contract/table/host-record.js'
import { SlotMark, UnitKind } from '../../contract/table/mark.js'
import { Width, parseSlot, shareCell } from '../../contract/table/table.js'
import type { SlotValue } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'
import type { LookupRequest } from './lookup-request.js'
import { hostMatch } from './host-match.lazy.js'

/** In place of a unit: the path can be read in two ways. The table has nothing by this name. */
export const UNCLEAR = '?'

const STAR = 42
const PLUS = 43

/** `@host`: 253 characters of host are all that a name can have. */
const MOST_HOST_LENGTH = 254

function fits(path: string, prefix: string): boolean {
  // To compare costs less than to call.
  return (
    path >= prefix &&
    (path === prefix || (path.startsWith(prefix) && path.charAt(prefix.length) === '/'))
  )
}

/**
 * The unit of the first line that fits; else ''. `least`: the length of the shortest prefix that
 * counts.
 */
function matchHost(
  table: Dict,
  host: string,
  record: string | undefined,
  request: LookupRequest,
  least: number,
): string {
  const lines = record === undefined ? '' : record
  const path = request.uri
  let unit = ''
  let at = Width.Digest
  let space = lines.indexOf(' ', at)
  while (unit === '' && space > 0) {
    const prefix = lines.slice(at, space)
    if (prefix === '*') {
      return hostMatch().matchChunks(table, host, lines, request, least)
    }
    const end = lines.indexOf('\n', space)
    if ((prefix === '/' || fits(path, prefix)) && (least === 0 || prefix.length >= least)) {
      const rest = end < 0 ? lines.slice(space + 1) : lines.slice(space + 1, end)
      unit = rest.indexOf('\t') < 0 ? rest : hostMatch().unitIf(rest, request)
    }
    at = end + 1
    space = end < 0 ? -1 : lines.indexOf(' ', at)
  }
  return unit
}

/**
 * Whether an application may read the path as one below another prefix of this host. A host whose
 * only prefix is `/` has no other. `..` and `%2` are looked for first, since that costs little.
 */
function isUnclear(record: string | undefined, request: LookupRequest): boolean {
  if (record === undefined || record.startsWith('/ ', Width.Digest)) {
    return false
  }
  const target = request.variables.request_uri
  return (
    target !== undefined &&
    (target.indexOf('..') >= 0 || target.indexOf('%2') >= 0) &&
    hostMatch().leaves(target, request)
  )
}

/** Whether a client asks for a key that is no host's: that of a pattern, or of a note. */
function isNoName(unit: string): boolean {
  const last = unit.charCodeAt(unit.length - 1)
  return last === STAR || last === PLUS || unit.charCodeAt(1) === STAR
}

/** The pattern with routes that `@a.b.c` falls under; `@*` when there is no other. */
function wildcardOf(table: Dict, unit: string): string {
  let dot = unit.length <= MOST_HOST_LENGTH ? unit.indexOf('.') : -1
  const first = dot
  while (dot > 0) {
    const host = '@*' + unit.slice(dot)
    if (table.get(host) !== undefined) {
      return host
    }
    dot = unit.indexOf('.', dot + 1)
  }
  dot = first > 0 ? unit.lastIndexOf('.') : -1
  while (dot > 0) {
    const host = unit.slice(0, dot) + '.*'
    if (table.get(host) !== undefined) {
      return host
    }
    dot = unit.lastIndexOf('.', dot - 1)
  }
  return '@*'
}

/**
 * `@app.example.com/7` and a request for `/api/x` → `:api`; `:web/7` → `:web`; '' when no route
 * fits. Hosts in nginx's own order: for `a.b.c` that is `a.b.c`, `*.b.c`, `*.c`, `a.b.*`, `a.*`,
 * and any host at the very last; for `.app.example.com/7` first of all, where that has routes
 * below ACME_PREFIX. {@link UNCLEAR} where an application may read the path
 * as one below another prefix.
 */
export function findUnit(table: Dict, key: string, request: LookupRequest): string {
  let unit = key.slice(0, key.lastIndexOf('/'))
  if (unit < '/' && unit.charAt(0) === '.') {
    const challenged = matchHost(table, '@*', table.get('@*'), request, ACME_PREFIX.length)
    unit = challenged === '' ? UnitKind.Host + unit.slice(1) : challenged
  }
  if (unit < '@' || unit > 'A') {
    return unit
  }
  let host = unit
  let record = isNoName(unit) ? undefined : table.get(host)
  if (record === undefined) {
    host = wildcardOf(table, unit)
    record = table.get(host)
  }
  return isUnclear(record, request) ? UNCLEAR : matchHost(table, host, record, request, 0)
}

/** The SID that a slot's value holds for a share (0 to 999); '' when its cell is gone. */
export function drawSid(table: Dict, slotKey: string, value: string, share: number): string {
  if (value.length === Width.Sid) {
    return value
  }
  if (value.charAt(0) === SlotMark.Cells) {
    const cell = shareCell(share, Number(value.slice(1)))
    const sid = table.get(slotKey + '/' + cell)
    return sid === undefined ? '' : sid
  }
  let at = 1
  while (at + Width.Share < value.length && Number(value.slice(at, at + 3)) <= share) {
    at += Width.Share
  }
  return value.slice(at + 3, at + Width.Share)
}

/** What a unit's slot says; undefined when the unit has none, or one for the front alone. */
export function readSlot(table: Dict, unit: string, slot: string): SlotValue | undefined {
  const text = table.get(unit + '/' + slot)
  return text === undefined || text.charAt(0) === SlotMark.Kept ? undefined : parseSlot(text)
}

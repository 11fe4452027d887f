/** From a request's key to the unit that serves it and to the SID it draws. Shared by the front and the hop. */
import { isMet } from '../contract/condition.js'
import { ACME_PREFIX, MOST_PREFIX, chunkKey, nextHash } from '../contract/host-record.js'
import { DIGEST_LENGTH, SHARE_LENGTH, SID_LENGTH, parseSlot, shareCell } from '../contract/table.js'
import type { SlotValue } from '../contract/table.js'
import type { Dict } from './dict.js'

/** What is read of a request: its path as nginx normalised it, and variables. */
export interface Asked {
  readonly uri: string
  readonly variables: { [name: string]: string | undefined }
}

/** `@host`: 253 characters of host are all that a name can have. */
const MOST_HOST_LENGTH = 254
const SLASH = 47

/** The unit in the rest of a line, `<unit>` and conditions, if those hold; else ''. */
function unitIn(rest: string, asked: Asked): string {
  if (rest.indexOf('\t') < 0) {
    return rest
  }
  const parts = rest.split('\t')
  return parts.every((condition, i) => i === 0 || isMet(condition, asked.variables))
    ? (parts[0] as string)
    : ''
}

function matchLines(lines: string, start: number, asked: Asked, least: number): string {
  const path = asked.uri
  let unit = ''
  while (unit === '' && start < lines.length) {
    const next = lines.indexOf('\n', start)
    const end = next < 0 ? lines.length : next
    const space = lines.indexOf(' ', start)
    const prefix = lines.slice(start, space)
    const fits = prefix === '/' || path === prefix || path.indexOf(prefix + '/') === 0
    if (fits && prefix.length >= least) {
      unit = unitIn(lines.slice(space + 1, end), asked)
    }
    start = end + 1
  }
  return unit
}

/** Where the path may be cut behind so many whole segments, and the hash of what is before. */
function cutsOf(path: string, most: number): Array<{ end: number; hash: number }> {
  const cuts = [{ end: 1, hash: 0 }]
  let hash = 0
  for (let i = 1; i <= path.length && i <= MOST_PREFIX && cuts.length <= most; i++) {
    const code = i < path.length ? path.charCodeAt(i) : SLASH
    if (code === SLASH) {
      cuts.push({ end: i, hash: hash })
    }
    hash = nextHash(hash, code)
  }
  return cuts
}

/** The same where the lines stand in chunks. */
function matchChunks(
  table: Dict,
  host: string,
  record: string,
  asked: Asked,
  least: number,
): string {
  const path = asked.uri
  const told = record.slice(DIGEST_LENGTH).split(' ')
  const cuts = cutsOf(path, Number(told[2]))
  let unit = ''
  for (let i = 2; unit === '' && i < told.length; i++) {
    const cut = cuts[Number(told[i])]
    if (cut !== undefined && cut.end >= least) {
      const lines = table.get(chunkKey(host, Number(told[1]), cut.hash)) || ''
      const prefix = '\n' + path.slice(0, cut.end) + ' '
      let at = lines.indexOf(prefix)
      while (unit === '' && at >= 0) {
        const end = lines.indexOf('\n', at + 1)
        unit = unitIn(lines.slice(at + prefix.length, end), asked)
        at = lines.indexOf(prefix, end)
      }
    }
  }
  return unit
}

/** `least`: the length of the shortest prefix that counts. */
function matchHost(
  table: Dict,
  host: string,
  record: string | undefined,
  asked: Asked,
  least: number,
): string {
  if (record === undefined) {
    return ''
  }
  return record.charAt(DIGEST_LENGTH) === '*'
    ? matchChunks(table, host, record, asked, least)
    : matchLines(record, DIGEST_LENGTH, asked, least)
}

/** For a path below ACME_PREFIX: any host's routes there come first, whatever routes the host itself has. */
function findChallenged(table: Dict, key: string, asked: Asked): string {
  const unit = matchHost(table, '@*', table.get('@*'), asked, ACME_PREFIX.length)
  return unit === '' ? findUnit(table, '@' + key.slice(1), asked) : unit
}

/**
 * `@app.example.com/7` and a request for `/api/x` → `:api`; `:web/7` → `:web`; '' when no route fits. Hosts in nginx's own order: for
 * `a.b.c` that is `a.b.c`, `*.b.c`, `*.c`, `a.b.*`, `a.*`, and any host at the very last; for `.app.example.com/7` first of all, where that has
 * routes below ACME_PREFIX.
 */
export function findUnit(table: Dict, key: string, asked: Asked): string {
  const unit = key.slice(0, key.lastIndexOf('/'))
  if (unit.charAt(0) !== '@') {
    return unit.charAt(0) === '.' ? findChallenged(table, key, asked) : unit
  }
  const isName = unit.length <= MOST_HOST_LENGTH
  let host = unit
  let record = table.get(host)
  let dot = isName ? unit.indexOf('.') : -1
  while (record === undefined && dot > 0) {
    host = '@*' + unit.slice(dot)
    record = table.get(host)
    dot = unit.indexOf('.', dot + 1)
  }
  dot = isName ? unit.lastIndexOf('.') : -1
  while (record === undefined && dot > 0) {
    host = unit.slice(0, dot) + '.*'
    record = table.get(host)
    dot = unit.lastIndexOf('.', dot - 1)
  }
  return matchHost(table, record === undefined ? '@*' : host, record || table.get('@*'), asked, 0)
}

/** The SID that a slot's value holds for a share (0 to 999); '' when its cell is gone. */
export function drawSid(table: Dict, slotKey: string, value: string, share: number): string {
  if (value.length === SID_LENGTH) {
    return value
  }
  if (value.charAt(0) === '#') {
    const cell = shareCell(share, Number(value.slice(1)))
    const sid = table.get(slotKey + '/' + cell)
    return sid === undefined ? '' : sid
  }
  let at = 1
  while (at + SHARE_LENGTH < value.length && Number(value.slice(at, at + 3)) <= share) {
    at += SHARE_LENGTH
  }
  return value.slice(at + 3, at + SHARE_LENGTH)
}

/** A unit's slot as it is, and its key; undefined when it has none. */
export function readSlot(table: Dict, unit: string, slot: string): SlotValue | undefined {
  const text = table.get(unit + '/' + slot)
  return text === undefined ? undefined : parseSlot(text)
}

/** From a request's key to the unit that serves it and to the SID it draws. Shared by the front and the hop. */
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

function matchRoute(record: string, path: string): string {
  let start = DIGEST_LENGTH
  while (start < record.length) {
    const next = record.indexOf('\n', start)
    const end = next < 0 ? record.length : next
    const space = record.indexOf(' ', start)
    const prefix = record.slice(start, space)
    if (prefix === '/' || path === prefix || path.indexOf(prefix + '/') === 0) {
      return record.slice(space + 1, end)
    }
    start = end + 1
  }
  return ''
}

/** `@app.example.com/7`, `/api/x` → `:api`; `:web/7` → `:web`; '' when no route fits. */
export function findUnit(table: Dict, key: string, path: string): string {
  const unit = key.slice(0, key.lastIndexOf('/'))
  if (unit.charAt(0) !== '@') {
    return unit
  }
  if (unit.length > MOST_HOST_LENGTH) {
    return ''
  }
  let record = table.get(unit)
  let dot = unit.indexOf('.')
  while (record === undefined && dot > 0) {
    record = table.get('@*' + unit.slice(dot))
    dot = unit.indexOf('.', dot + 1)
  }
  return record === undefined ? '' : matchRoute(record, path)
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

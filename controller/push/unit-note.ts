/**
 * A unit's note: which keys it may have beyond those that its record and its slots name, while it
 * is rewritten in several parts. Whoever takes over after half of them reads it, and so nothing is
 * left in the table for good. Pure.
 */
import { NOTE } from '../../contract/table/table.js'
import type { UnitChange } from '../table/unit.js'

const MOST = 65_536
/** What is numbered from 0: buckets, chunks, a ring, cells of a slot. Slots are read anyway. */
const NUMBERED = /^([#%=]|\/.+\/)(\d+)$/

/**
 * `%13 /7/20`: `:web%0` to `:web%12` and `:web/7/0` to `:web/7/19`. '' when there are no such keys.
 */
function printNote({ name, before, after }: UnitChange): string {
  const counts = new Map<string, number>()
  for (const unit of [before, after]) {
    for (const key of unit?.entries.keys() ?? []) {
      const [, kind, number] = NUMBERED.exec(key.slice(name.length)) ?? []
      if (kind !== undefined) {
        counts.set(kind, Math.max(counts.get(kind) ?? 0, Number(number) + 1))
      }
    }
  }
  const counted = [...counts].filter(([kind, count]) => kind !== '#' || count > 1)
  return counted.map(([kind, count]) => kind + count).join(' ')
}

/**
 * The change with a note, so that the note goes when all else is done; the same change when it
 * needs none.
 */
export function noted(change: UnitChange): UnitChange {
  const { name, before } = change
  const note = printNote(change)
  return note === ''
    ? change
    : { ...change, before: { name, entries: new Map(before?.entries).set(name + NOTE, note) } }
}

/** The keys that the note of this unit names. */
export function keysNoted(name: string, note: string): string[] {
  return note.split(' ').flatMap((one) => {
    const [, kind = '', count = '0'] = NUMBERED.exec(one) ?? []
    return Array.from({ length: Math.min(Number(count), MOST) }, (_, i) => name + kind + i)
  })
}

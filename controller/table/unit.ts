/** Units of the table: made, compared, and listed as changes. */
import { createHash } from 'node:crypto'
import type { Layout } from './slots.js'
import { cellsOf, parsePeer } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import { SLOTS } from '../../contract/table/limits.js'

/** What is written and removed as one. Its record stands under its name, all else below it. */
export interface Unit {
  name: string
  entries: ReadonlyMap<string, string>
}

export const NO_LAYOUT: Layout = new Map()

/** 8 hex digits of all entries, in order of their keys. */
function digest(record: string, entries: Map<string, string>): string {
  const hash = createHash('sha256').update(record)
  for (const key of [...entries.keys()].sort()) {
    hash.update(`\n${key}\n${entries.get(key)}`)
  }
  return hash.digest('hex').slice(0, 8)
}

/** Adds the record, with its digest, to the entries below it. */
export function makeUnit(name: string, record: string, entries: Map<string, string>): Unit {
  return { name, entries: entries.set(name, `${digest(record, entries)} ${record}`) }
}

/**
 * The slots of a unit, without its name; empty when a copy for each host would cost a key for each
 * cell.
 */
export function slotsOf(unit: Unit): Layout {
  const slots = new Map<string, string>()
  for (let i = 0; i < SLOTS; i++) {
    const value = unit.entries.get(`${unit.name}/${i}`)
    if (value !== undefined && cellsOf(value) > 0) {
      return NO_LAYOUT
    }
    if (value !== undefined) {
      slots.set(`/${i}`, value)
    }
  }
  return slots
}

/** The peers of an upstream's unit, in the order of their buckets. */
export function peersIn({ name, entries }: Unit): PeerLine[] {
  const buckets = [...entries].filter(([key]) => key.startsWith(`${name}#`))
  return buckets.flatMap(([, lines]) => lines.split('\n').map(parsePeer))
}

/** By its entries, and not by the digest alone: 32 bits do not rule out that a change is lost. */
export function isSameUnit(a: Unit | undefined, b: Unit): boolean {
  if (a?.entries.size !== b.entries.size) {
    return false
  }
  for (const [key, value] of b.entries) {
    if (a.entries.get(key) !== value) {
      return false
    }
  }
  return true
}

export interface UnitChange {
  name: string
  /** What the gateway has; undefined: nothing. */
  before: Unit | undefined
  /** What it should have; undefined: nothing. */
  after: Unit | undefined
}

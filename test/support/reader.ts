/** Reads an upstream's unit by the contract alone, as plainly as can be. */
import { CHUNK_ENTRIES, ENTRY_LENGTH, parseEntry, parseRules } from '../../contract/table/rules.js'
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import { Width, parsePeer } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'

export type Table = ReadonlyMap<string, string>

export function readRules(table: Table, unit: string): Rules | undefined {
  const record = table.get(unit)
  return record === undefined ? undefined : (parseRules(record.slice(Width.Digest)) ?? undefined)
}

/** Entry `index` of its lists; undefined when it is not there. */
function readEntry(table: Table, unit: string, index: number): ListEntry | undefined {
  const chunk = table.get(`${unit}%${Math.floor(index / CHUNK_ENTRIES)}`) ?? ''
  const at = (index % CHUNK_ENTRIES) * ENTRY_LENGTH
  return chunk.length < at + ENTRY_LENGTH ? undefined : parseEntry(chunk, at)
}

/** Its lists, main and spill; a hole is an error. */
export function readLists(table: Table, unit: string): { main: ListEntry[]; spill: ListEntry[] } {
  const { count, spill } = readRules(table, unit) ?? { count: 0, spill: 0 }
  const all = Array.from({ length: count + spill }, (_, index) => {
    const entry = readEntry(table, unit, index)
    if (entry === undefined) {
      throw new Error(`${unit}: no entry ${index} of ${count} and ${spill}`)
    }
    return entry
  })
  return { main: all.slice(0, count), spill: all.slice(count) }
}

/** Indexes in the main list, by position. */
export function readRing(table: Table, unit: string): number[] {
  const chunks = [...table].filter(([key]) => key.startsWith(`${unit}=`))
  const order = chunks.sort(
    ([a], [b]) => Number(a.slice(unit.length + 1)) - Number(b.slice(unit.length + 1)),
  )
  const digits = order.map(([, value]) => value).join('')
  return (digits.match(/.{3}/g) ?? []).map((each) => parseInt(each, 36))
}

export function readLines(table: Table, unit: string): PeerLine[] {
  return [...table]
    .filter(([key]) => key.startsWith(`${unit}#`))
    .flatMap(([, value]) => value.split('\n').map(parsePeer))
}

/** SIDs that a slot's value or a cell may lead to, a trial's among them. */
export function sidsIn(value: string): string[] {
  const match = /^(?:!\d(.{32}))?\$?(.*)$/.exec(value)
  const [trial, rest = ''] = [match?.[1], match?.[2]]
  const drawn = rest.startsWith('*')
    ? (rest.slice(1).match(/.{35}/g) ?? []).map((part) => part.slice(3))
    : rest.startsWith('#')
      ? []
      : [rest]
  return trial === undefined ? drawn : [trial, ...drawn]
}

/** The lists that rules choose from (contract/table/rules.ts). */
import {
  CHUNK_ENTRIES,
  ENTRY_LENGTH,
  RING_CHUNK,
  RING_POSITIONS,
  parseEntry,
} from '../../../contract/table/rules.js'
import type { ListEntry } from '../../../contract/table/rules.js'
import { DRAWS } from '../../../contract/table/limits.js'
import type { Dict } from '../../memory/dict.js'

/**
 * Entry `index` of `:web`; null where a change is just being written and the list is shorter
 * already.
 */
export function entryAt(table: Dict, upstream: string, index: number): ListEntry | null {
  const chunk = table.get(upstream + '%' + Math.floor(index / CHUNK_ENTRIES))
  const at = (index % CHUNK_ENTRIES) * ENTRY_LENGTH
  return chunk === undefined || chunk.length < at + ENTRY_LENGTH ? null : parseEntry(chunk, at)
}

/**
 * Up to `most` entries from `start` on, around the end of a list of `count` that begins at
 * `base`. Reads each chunk once.
 */
export function entriesFrom(
  table: Dict,
  upstream: string,
  base: number,
  count: number,
  start: number,
  most: number,
): ListEntry[] {
  const found: ListEntry[] = []
  let loaded = -1
  let text = ''
  for (let i = 0; i < most && i < count; i++) {
    const index = base + ((start + i) % count)
    const chunk = Math.floor(index / CHUNK_ENTRIES)
    if (chunk !== loaded) {
      loaded = chunk
      text = table.get(upstream + '%' + chunk) || ''
    }
    const at = (index % CHUNK_ENTRIES) * ENTRY_LENGTH
    if (text.length >= at + ENTRY_LENGTH) {
      found.push(parseEntry(text, at))
    }
  }
  return found
}

/** The peers at up to `most` positions of a hash's ring, from `start` on, each once. */
export function entriesOnRing(
  table: Dict,
  upstream: string,
  start: number,
  most: number,
): ListEntry[] {
  const found: ListEntry[] = []
  const seen: { [index: number]: boolean } = {}
  let loaded = -1
  let text = ''
  for (let i = 0; i < most; i++) {
    const at = (start + i) % RING_POSITIONS
    const chunk = Math.floor(at / RING_CHUNK)
    if (chunk !== loaded) {
      loaded = chunk
      text = table.get(upstream + '=' + chunk) || ''
    }
    const digits = text.slice((at % RING_CHUNK) * 3, (at % RING_CHUNK) * 3 + 3)
    const index = parseInt(digits, 36)
    const entry = digits === '' || seen[index] ? null : entryAt(table, upstream, index)
    seen[index] = true
    if (entry !== null) {
      found.push(entry)
    }
  }
  return found
}

/** nginx drew one of 50,000. Numbers from the same draw that differ by `nth` look unrelated. */
export function nthNumber(draw: number, nth: number): number {
  let number = draw
  for (let i = 0; i < nth; i++) {
    number = nextNumber(number)
  }
  return number
}

/**
 * Full period modulo 50,000: the multiplier is 1 modulo its primes 2 (and 4) and 5, the increment
 * shares none.
 */
export function nextNumber(draw: number): number {
  return (draw * 7621 + 20011) % DRAWS
}

/** `draw` of 50,000 → a position in a list of `count`. */
export function position(draw: number, count: number): number {
  return Math.floor((draw * count) / DRAWS)
}

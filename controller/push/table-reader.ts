/** Reads back what a gateway's table holds, so that only what differs has to be sent. */
import {
  MOST_CHUNKS as MOST_HOST_CHUNKS,
  chunkKey,
  chunksIn,
} from '../../contract/table/host-record.js'
import {
  CHUNK_ENTRIES,
  RING_CHUNK,
  RING_POSITIONS,
  parseRules,
} from '../../contract/table/rules.js'
import type { Rules } from '../../contract/table/rules.js'
import { Width, NOTE, cellsOf, parsePeer } from '../../contract/table/table.js'
import { INDEX_BUCKETS, SHARES, SLOTS } from '../../contract/table/limits.js'
import type { Unit } from '../table/unit.js'
import { keysNoted } from './unit-note.js'

/** Values of `keys`, in their order; null for what is not there. */
export type ReadKeys = (keys: string[]) => Promise<Array<string | null>>

/**
 * An index bucket may have 10 KB, a bucket of peers about 1 KB, and records are small. So a worker
 * reads 500 KB at once at most.
 */
const INDEX_AT_ONCE = 32
const KEYS_AT_ONCE = 400
/** A chain with its key has some 5 KB. */
const CERTIFICATES_AT_ONCE = 50
const MOST_BUCKETS = 65_536
const MOST_CHUNKS = 65_536
const NONE = new Map<string, string>()

async function readAll(
  read: ReadKeys,
  keys: string[],
  atOnce: number,
): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (let i = 0; i < keys.length; i += atOnce) {
    const part = keys.slice(i, i + atOnce)
    const values = await read(part)
    part.forEach((key, n) => {
      const value = values[n]
      if (value !== undefined && value !== null) {
        found.set(key, value)
      }
    })
  }
  return found
}

/** Names of all units that the index lists → their record, or undefined where that is missing. */
export async function readRecords(read: ReadKeys): Promise<Map<string, string | undefined>> {
  const buckets = Array.from({ length: INDEX_BUCKETS }, (_, i) => `#${i}`)
  const index = await readAll(read, buckets, INDEX_AT_ONCE)
  const names = [...index.values()].flatMap((value) => value.split('\n'))
  const isLarge = (name: string) => name.startsWith('^')
  const small = await readAll(
    read,
    names.filter((name) => !isLarge(name)),
    KEYS_AT_ONCE,
  )
  const large = await readAll(read, names.filter(isLarge), CERTIFICATES_AT_ONCE)
  const records = new Map([...small, ...large])
  return new Map(names.map((name) => [name, records.get(name)]))
}

function rulesIn(name: string, record: string | undefined): Rules | null {
  return name.startsWith(':') ? parseRules((record ?? '').slice(Width.Digest)) : null
}

function chunkKeys(name: string, { balance, count, spill }: Rules): string[] {
  const noted = Math.ceil((count + spill) / CHUNK_ENTRIES)
  const chunks = Number.isInteger(noted) ? Math.min(noted, MOST_CHUNKS) : 0
  const ring = balance === 'h' ? Math.ceil(RING_POSITIONS / RING_CHUNK) : 0
  return [
    ...Array.from({ length: chunks }, (_, chunk) => `${name}%${chunk}`),
    ...Array.from({ length: ring }, (_, chunk) => `${name}=${chunk}`),
  ]
}

function hostKeys(name: string, record: string | undefined): string[] {
  const noted = name.startsWith('@') ? chunksIn((record ?? '').slice(Width.Digest)) : 0
  const chunks = Number.isInteger(noted) ? Math.min(noted, MOST_HOST_CHUNKS) : 0
  return Array.from({ length: chunks }, (_, chunk) => chunkKey(name, chunks, chunk))
}

function firstKeys(name: string, record: string | undefined): string[] {
  if (name.startsWith('^') || name.startsWith('&')) {
    return []
  }
  const keys = Array.from({ length: SLOTS }, (_, slot) => `${name}/${slot}`)
  keys.push(name + NOTE, ...hostKeys(name, record))
  if (!name.startsWith(':')) {
    return keys
  }
  const noted = parseInt((record ?? '').slice(Width.Digest), 10)
  // What was half written has one, and maybe a cookie's attributes, even without a record.
  const buckets = Number.isInteger(noted) ? Math.min(noted, MOST_BUCKETS) : 1
  for (let bucket = 0; bucket < buckets; bucket++) {
    keys.push(`${name}#${bucket}`)
  }
  const rules = rulesIn(name, record)
  return [...keys, `${name}$`, ...(rules === null ? [] : chunkKeys(name, rules))]
}

/** A session's key is given by the line of its peer alone. */
function sessionKeys(
  name: string,
  record: string | undefined,
  found: Map<string, string>,
): string[] {
  const rules = rulesIn(name, record)
  if (rules === null || rules.sticky === '') {
    return []
  }
  const lines = [...found].filter(([key]) => key.startsWith(`${name}#`))
  return lines.flatMap(([, value]) =>
    value.split('\n').flatMap((line) => {
      const { id, token } = parsePeer(line)
      return [`${name}$${token === '' ? id : token}`]
    }),
  )
}

function cellKeys(found: Map<string, string>): string[] {
  const keys: string[] = []
  for (const [key, value] of found) {
    const noted = /\/\d+$/.test(key) ? cellsOf(value) : 0
    const cells = Number.isInteger(noted) ? Math.min(noted, SHARES) : 0
    for (let cell = 0; cell < cells; cell++) {
      keys.push(`${key}/${cell}`)
    }
  }
  return keys
}

/**
 * What the table holds of these units. `also` names keys that are wanted there: they are read too,
 * because a unit that was half written may have keys that its record does not name.
 */
export async function readUnits(
  read: ReadKeys,
  units: Array<{ name: string; record: string | undefined; also: Iterable<string> }>,
): Promise<Map<string, Unit>> {
  const wanted = units.map(
    ({ name, record, also }) => new Set([...firstKeys(name, record), ...also]),
  )
  const first = await readAll(read, [...new Set(wanted.flatMap((keys) => [...keys]))], KEYS_AT_ONCE)
  const further = (name: string, record: string | undefined, found: Map<string, string>) => {
    const left = keysNoted(name, found.get(name + NOTE) ?? '')
    const keys = new Set([...cellKeys(found), ...sessionKeys(name, record, found), ...left])
    return [...keys].filter((key) => !found.has(key))
  }
  const here = wanted.map((keys) => new Map([...keys].flatMap((key) => pick(first, key))))
  const more = units.map(({ name, record }, i) => further(name, record, here[i] ?? NONE))
  const second = await readAll(read, more.flat(), KEYS_AT_ONCE)
  const result = new Map<string, Unit>()
  units.forEach(({ name, record }, i) => {
    const below = (more[i] ?? []).flatMap((key) => pick(second, key))
    const entries = new Map([...(here[i] ?? []), ...below])
    if (record !== undefined) {
      entries.set(name, record)
    }
    result.set(name, { name, entries })
  })
  return result
}

function pick(from: Map<string, string>, key: string): Array<[string, string]> {
  const value = from.get(key)
  return value === undefined ? [] : [[key, value]]
}

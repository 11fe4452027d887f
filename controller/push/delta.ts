/** Two states of some units → the operations between them, in an order in which no reader ever finds a hole. Pure. */
import { hostKind } from '../../contract/guard/names.js'
import type { Operation } from '../../contract/push.js'
import { DIGEST_LENGTH, NOTE, SID_LENGTH, indexBucket } from '../../contract/table/table.js'
import { MAX_VALUE_BYTES } from '../../contract/table/zones.js'
import type { Unit, UnitChange } from '../table/unit.js'
import { noted } from './unit-note.js'

/** Names of all units in a bucket of the index once the delta is done, sorted. */
export type NamesIn = (bucket: number) => string[]

/** A worker holds still for a part: about 2 µs for each operation, and as much again for its JSON. */
const PART_OPERATIONS = 500
const PART_BYTES = 100_000
/** Stands for "being rewritten": no unit that is compared with it is taken for equal. */
const NO_DIGEST = '00000000'

/**
 * Lower first. Peers come before the slots and lists that name them, those before the record, and what nobody reads any more
 * goes last. Where the number of buckets grows, the old ones keep all their lines until the record tells the new number. Where a bucket
 * loses lines, it keeps them too ({@link withGoing}): a list may name those peers as long, and where one has limits, nobody else is
 * asked for a name without a line.
 *
 * Lists are read by the record's counts, so between two writes a reader may hold the old record with new chunks, or the reverse.
 * What it finds is right enough all the same: every chunk, old or new, holds nothing but peers of this upstream, and one that was removed
 * or drained has left all of them before the gateway acknowledges. And it finds no hole: chunks that are new or as long as
 * before are written before the record, those that get shorter (at most one, the last) after it, and those that vanish are
 * deleted after that. So the list is never shorter than the record in force says.
 *
 * A ring's positions are indexes in the list: in between they may name another peer of this upstream than they should, or none.
 *
 * A session's key is the only one that is found by what a client says and not by the record, so it must never outlive its peer's
 * line, by which a resync finds it: it is written last of all, and deleted first. Meanwhile its clients are new ones.
 */
function rankOf(key: string, name: string, keep: Keep): number {
  if (key === name) {
    return name.startsWith('&') || name.startsWith('^=') ? BEFORE_RECORDS : RECORD
  }
  switch (key.charAt(name.length)) {
    case '#':
      return Number(key.slice(name.length + 1)) < keep.buckets ? AFTER_RECORD : 0
    case '%':
      return key === keep.chunk ? AFTER_RECORD : 2
    case '=':
      return 2
    case '$':
      return key.length > name.length + 1 ? SESSION : 2
    default:
      return key.indexOf('/', name.length + 1) < 0 ? 2 : 1
  }
}

/** What a route does has no slots, and a host's record leads to it; as an upstream's does to a certificate for its instances. */
const BEFORE_RECORDS = 2
const RECORD = 3
const AFTER_RECORD = 4
const SESSION = 5
const AFTER_NAMES = 6
/** Sessions that go come before all else. */
const FORGET = -1
const DELETE = 10
const NOTE_DELETE = 12
/** The record once more, with its true digest: nothing is left to do then. */
const DONE = 13

const LONGEST = 300

/**
 * While a table is filled, who is not there yet is served by the next best that is. So what is closest comes first: names, then the wildcards that
 * they fall under, the longest first; and what takes all that a port's names leave comes last.
 */
function recordRank(name: string): number {
  if (!name.startsWith('@')) {
    return RECORD
  }
  const host = name.replace(/^@(tls\*|\d+\*)?/, '')
  const isRest = host === '' || host === '*' || /^(tcp|udp)\*/.test(host)
  const kind = isRest ? 3 : hostKind(host)
  const isLast = isRest && host !== ''
  return RECORD + (kind + (isLast ? 0.9 : 0.8 * (1 - Math.min(host.length / LONGEST, 1)))) / 4
}

/** What stays as it is until the record tells of the change. */
interface Keep {
  /** So many of the peer buckets. */
  buckets: number
  /** The chunk that gets shorter. */
  chunk: string
}

function buckets(unit: Unit | undefined): number {
  const record = unit?.entries.get(unit.name)
  return unit?.name.startsWith(':') === true && record !== undefined
    ? parseInt(record.slice(DIGEST_LENGTH), 10)
    : 0
}

function keepOf({ before, after }: UnitChange): Keep {
  const old = buckets(before)
  let chunk = ''
  for (const [key, value] of after?.entries ?? []) {
    if (key.charAt(after?.name.length ?? 0) === '%' && isShorter(value, before?.entries.get(key))) {
      chunk = key
    }
  }
  return { buckets: old < buckets(after) ? old : 0, chunk }
}

function isShorter(value: string, before: string | undefined): boolean {
  return before !== undefined && value.length < before.length
}

interface Ranked {
  rank: number
  operation: Operation
}

function deleteRank(key: string, name: string): number {
  if (rankOf(key, name, NOTHING_KEPT) === SESSION) {
    return FORGET
  }
  if (key === name + NOTE) {
    return NOTE_DELETE
  }
  return DELETE + (key === name ? 1 : 0)
}

const NOTHING_KEPT: Keep = { buckets: 0, chunk: '' }

/** A bucket's lines and those that it is about to lose; undefined where it loses none, or has no room for both. */
function withGoing(value: string, before: string | undefined): string | undefined {
  const sidOf = (line: string) => line.slice(0, SID_LENGTH)
  const staying = new Set(value.split('\n').map(sidOf))
  const going = (before?.split('\n') ?? []).filter((line) => !staying.has(sidOf(line)))
  const both = [value, ...going].join('\n')
  return going.length === 0 || both.length > MAX_VALUE_BYTES ? undefined : both
}

/** A key's new value; where others name what it loses, that goes only after them. */
function diffEntry(rank: number, key: string, value: string, before?: string): Ranked[] {
  const both = rank === 0 ? withGoing(value, before) : undefined
  return both === undefined
    ? [{ rank, operation: [key, value] }]
    : [
        { rank, operation: [key, both] },
        { rank: AFTER_NAMES, operation: [key, value] },
      ]
}

interface Way {
  /** The record is marked, and gets its true digest only once nothing is left to do for its unit. */
  isParted?: boolean
  /** There is no room for what goes beside what comes. */
  isFull?: boolean
}

function diffUnit(change: UnitChange, { isParted = false, isFull = false }: Way): Ranked[] {
  const { name, before, after } = change
  const keep = keepOf(change)
  const ranked: Ranked[] = []
  for (const [key, value] of after?.entries ?? []) {
    if (key !== name && before?.entries.get(key) !== value) {
      const old = isFull ? undefined : before?.entries.get(key)
      ranked.push(...diffEntry(rankOf(key, name, keep), key, value, old))
    }
  }
  for (const key of before?.entries.keys() ?? []) {
    if (after?.entries.has(key) !== true) {
      ranked.push({ rank: deleteRank(key, name), operation: [key, null] })
    }
  }
  const record = after?.entries.get(name)
  if (record !== undefined && (isParted || before?.entries.get(name) !== record)) {
    const isLast = !isParted || ranked.every(({ rank }) => rank < RECORD)
    ranked.push({ rank: recordRank(name), operation: [name, isLast ? record : unsure(record)] })
    ranked.push(...(isLast ? [] : [{ rank: DONE, operation: [name, record] as Operation }]))
  }
  return ranked
}

/**
 * Above some 300,000 units a bucket does not hold all its names. Those left out serve like all others; only a controller that
 * comes back later does not know that they are there.
 */
function indexOperation(bucket: number, names: string[]): Operation {
  let text = names.join('\n')
  if (text.length > MAX_VALUE_BYTES) {
    text = text.slice(0, text.lastIndexOf('\n', MAX_VALUE_BYTES))
  }
  return [`#${bucket}`, names.length === 0 ? null : text]
}

interface Moves {
  added: Map<number, string[]>
  removed: Map<number, string[]>
}

function movesOf(changes: UnitChange[]): Moves {
  const moves: Moves = { added: new Map(), removed: new Map() }
  for (const { name, before, after } of changes) {
    if ((before === undefined) !== (after === undefined)) {
      const side = before === undefined ? moves.added : moves.removed
      const bucket = indexBucket(name)
      side.set(bucket, [...(side.get(bucket) ?? []), name])
    }
  }
  return moves
}

function indexOperations(moves: Moves, namesIn: NamesIn): Operation[] {
  const touched = new Set([...moves.added.keys(), ...moves.removed.keys()])
  return [...touched].sort((a, b) => a - b).map((bucket) => indexOperation(bucket, namesIn(bucket)))
}

function noteOf({ name, before }: UnitChange): Operation[] {
  const note = before?.entries.get(name + NOTE)
  return note === undefined ? [] : [[name + NOTE, note]]
}

/**
 * What a delta of several parts starts with: new names are in the index before their units, units about to change are
 * marked, and notes tell of the keys that no record may tell of. So whoever takes over after half of it finds all that is there,
 * and trusts none of it.
 */
function preamble(changes: UnitChange[], moves: Moves, namesIn: NamesIn): Operation[] {
  const index = [...moves.added.keys()].map((bucket): Operation => {
    const names = new Set([...namesIn(bucket), ...(moves.removed.get(bucket) ?? [])])
    return indexOperation(bucket, [...names].sort())
  })
  const marks = changes.flatMap(({ name, before }) => mark(name, before))
  return [...index, ...marks, ...changes.flatMap(noteOf)]
}

function bytes([key, value]: Operation): number {
  return key.length + (value?.length ?? 4) + 8
}

function split(operations: Operation[], most = PART_OPERATIONS): Operation[][] {
  const parts: Operation[][] = [[]]
  let size = 0
  for (const operation of operations) {
    const part = parts.at(-1)
    size += bytes(operation)
    if (part !== undefined && part.length > 0 && (part.length >= most || size > PART_BYTES)) {
      parts.push([operation])
      size = bytes(operation)
    } else {
      part?.push(operation)
    }
  }
  return parts
}

function mark(name: string, unit: Unit | undefined): Operation[] {
  const record = unit?.entries.get(name)
  return record === undefined ? [] : [[name, unsure(record)]]
}

function unsure(record: string): string {
  return `${NO_DIGEST} ${record.slice(DIGEST_LENGTH)}`
}

function sortedOperations(changes: UnitChange[], way: Way = {}): Operation[] {
  const ranked = changes.flatMap((change) => diffUnit(change, way))
  return ranked.sort((a, b) => a.rank - b.rank).map((one) => one.operation)
}

function isSet([, value]: Operation): boolean {
  return value !== null
}

/** Parts to be sent in this order, of at most `most` operations each; at least one, which may be empty. */
export function makeParts(
  changes: UnitChange[],
  namesIn: NamesIn,
  most = PART_OPERATIONS,
): Operation[][] {
  const moves = movesOf(changes)
  const index = indexOperations(moves, namesIn)
  const whole = split([...sortedOperations(changes), ...index], most)
  if (whole.length === 1) {
    return whole
  }
  const all = changes.map(noted)
  return split(
    [...preamble(all, moves, namesIn), ...sortedOperations(all, { isParted: true }), ...index],
    most,
  )
}

/** A unit that never came to have its record: nobody reads it, and it only takes room. */
function isTorso({ name, before }: UnitChange): boolean {
  return before?.entries.has(name) === false
}

/**
 * The same for a table that is full: first all deletes, then the units that are there, then new ones, each in parts of its
 * own. So what is there is kept right, as many as possible of the new ones are whole, and none is half there. Until a slot
 * is rewritten whose cells are deleted, requests for those are retried by address.
 */
export function makePartsForFull(changes: UnitChange[], namesIn: NamesIn): Operation[][] {
  const torsos = changes
    .filter(isTorso)
    .map(({ name, before }) => ({ name, before, after: undefined }))
  const fresh = changes.map((change) =>
    isTorso(change) ? { ...change, before: undefined } : change,
  )
  const order = [
    ...fresh.filter(({ before }) => before !== undefined),
    ...fresh.filter(({ before, after }) => before === undefined && after !== undefined),
  ]
  const deletes = sortedOperations([...torsos, ...order], { isFull: true }).filter(
    (one) => !isSet(one),
  )
  const index = indexOperations(movesOf(changes), namesIn)
  const units = order.flatMap((change) => {
    const sets = sortedOperations([change], { isFull: true }).filter(isSet)
    const parts = sets.length === 0 ? [] : split(sets)
    if (parts.length <= 1) {
      return parts
    }
    const marked = sortedOperations([change], { isParted: true, isFull: true }).filter(isSet)
    return split([...mark(change.name, change.before), ...marked])
  })
  return [...split([...deletes, ...index]), ...units]
}

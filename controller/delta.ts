/** Two states of some units → the operations between them, in an order in which no reader ever finds a hole. Pure. */
import type { Operation } from '../contract/push.js'
import { DIGEST_LENGTH, indexBucket } from '../contract/table.js'
import { MAX_VALUE_BYTES } from '../contract/zones.js'
import type { Unit } from './compile.js'

export interface UnitChange {
  name: string
  /** What the gateway has; undefined: nothing. */
  before: Unit | undefined
  /** What it should have; undefined: nothing. */
  after: Unit | undefined
}

/** Names of all units in a bucket of the index once the delta is done, sorted. */
export type NamesIn = (bucket: number) => string[]

/** A worker holds still for a part: about 2 µs for each operation, and as much again for its JSON. */
const PART_OPERATIONS = 500
const PART_BYTES = 100_000
/** Stands for "being rewritten": no unit that is compared with it is taken for equal. */
const NO_DIGEST = '00000000'

/**
 * Lower first. Peers come before the slots that name them, slots before the record, and what nobody reads any more goes last.
 * Where the number of buckets grows, the old ones keep all their lines until the record tells the new number.
 */
function rankOf(key: string, name: string, keepUntilRecord: number): number {
  if (key === name) {
    return 3
  }
  const mark = key.charAt(name.length)
  if (mark === '#') {
    return Number(key.slice(name.length + 1)) < keepUntilRecord ? 4 : 0
  }
  return key.indexOf('/', name.length + 1) < 0 ? 2 : 1
}

function buckets(unit: Unit | undefined): number {
  const record = unit?.entries.get(unit.name)
  return unit?.name.startsWith(':') === true && record !== undefined
    ? Number(record.slice(DIGEST_LENGTH))
    : 0
}

interface Ranked {
  rank: number
  operation: Operation
}

const DELETE = 10

function diffUnit(change: UnitChange, out: Ranked[]): void {
  const { name, before, after } = change
  const old = buckets(before)
  const keepUntilRecord = old < buckets(after) ? old : 0
  for (const [key, value] of after?.entries ?? []) {
    if (before?.entries.get(key) !== value) {
      out.push({ rank: rankOf(key, name, keepUntilRecord), operation: [key, value] })
    }
  }
  for (const key of before?.entries.keys() ?? []) {
    if (after?.entries.has(key) !== true) {
      out.push({ rank: DELETE + (key === name ? 1 : 0), operation: [key, null] })
    }
  }
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

/**
 * What a delta of several parts starts with: new names are in the index before their units, and units about to change are
 * marked. So whoever takes over after half of it finds all that is there, and trusts none of it.
 */
function preamble(changes: UnitChange[], moves: Moves, namesIn: NamesIn): Operation[] {
  const index = [...moves.added.keys()].map((bucket): Operation => {
    const names = new Set([...namesIn(bucket), ...(moves.removed.get(bucket) ?? [])])
    return indexOperation(bucket, [...names].sort())
  })
  const marks = changes.flatMap(({ name, before }) => mark(name, before))
  return [...index, ...marks]
}

function bytes([key, value]: Operation): number {
  return key.length + (value?.length ?? 4) + 8
}

function split(operations: Operation[]): Operation[][] {
  const parts: Operation[][] = [[]]
  let size = 0
  for (const operation of operations) {
    const part = parts.at(-1)
    size += bytes(operation)
    if (
      part !== undefined &&
      part.length > 0 &&
      (part.length >= PART_OPERATIONS || size > PART_BYTES)
    ) {
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
  return record === undefined ? [] : [[name, `${NO_DIGEST} ${record.slice(DIGEST_LENGTH)}`]]
}

function sortedOperations(changes: UnitChange[]): { sets: Operation[]; deletes: Operation[] } {
  const ranked: Ranked[] = []
  changes.forEach((change) => diffUnit(change, ranked))
  ranked.sort((a, b) => a.rank - b.rank)
  const operations = ranked.map((one) => one.operation)
  return {
    sets: operations.filter(([, value]) => value !== null),
    deletes: operations.filter(([, value]) => value === null),
  }
}

/** Parts to be sent in this order; at least one, which may be empty. */
export function makeParts(changes: UnitChange[], namesIn: NamesIn): Operation[][] {
  const { sets, deletes } = sortedOperations(changes)
  const moves = movesOf(changes)
  const index = indexOperations(moves, namesIn)
  const whole = split([...sets, ...deletes, ...index])
  return whole.length === 1
    ? whole
    : split([...preamble(changes, moves, namesIn), ...sets, ...deletes, ...index])
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
  const deletes = sortedOperations([...torsos, ...order]).deletes
  const index = indexOperations(movesOf(changes), namesIn)
  const units = order.flatMap((change) => {
    const { sets } = sortedOperations([change])
    const parts = sets.length === 0 ? [] : split(sets)
    return parts.length > 1 ? split([...mark(change.name, change.before), ...sets]) : parts
  })
  return [...split([...deletes, ...index]), ...units]
}

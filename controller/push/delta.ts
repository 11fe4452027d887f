/**
 * Changes of units → the parts of a delta, each small enough for a worker to apply at once. Pure.
 */
import type { Operation } from '../../contract/push.js'
import { NOTE, indexBucket } from '../../contract/table/table.js'
import { MOST_VALUE_BYTES } from '../../contract/table/limits.js'
import type { UnitChange } from '../table/unit.js'
import { grows } from './growth.js'
import { withdrawn } from './withdrawal.js'
import { diffUnits, markRecord } from './unit-diff.js'
import { noted } from './unit-note.js'

/** Names of all units in a bucket of the index once the delta is done, sorted. */
export type NamesIn = (bucket: number) => string[]

/** A worker stands still for a part: 2 µs for each operation, and as much for its JSON. */
const PART_OPERATIONS = 500
const PART_BYTES = 100_000

/**
 * Above some 300,000 units a bucket does not hold all its names. Those left out serve like all
 * others; only a controller that comes back later does not know that they are there.
 */
function indexOperation(bucket: number, names: string[]): Operation {
  let text = names.join('\n')
  if (text.length > MOST_VALUE_BYTES) {
    text = text.slice(0, text.lastIndexOf('\n', MOST_VALUE_BYTES))
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
 * What a delta of several parts starts with. New names are in the index before their units, units
 * about to change are marked, and notes name the keys that no record may name. So whoever takes
 * over after half of it finds all that is there, and trusts none of it.
 */
function preamble(changes: UnitChange[], moves: Moves, namesIn: NamesIn): Operation[] {
  const index = [...moves.added.keys()].map((bucket): Operation => {
    const names = new Set([...namesIn(bucket), ...(moves.removed.get(bucket) ?? [])])
    return indexOperation(bucket, [...names].sort())
  })
  const marks = changes.flatMap(({ name, before }) => markRecord(name, before))
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

function isSet([, value]: Operation): boolean {
  return value !== null
}

/**
 * Parts to be sent in this order, of at most `most` operations each; at least one, which may be
 * empty.
 */
export function makeParts(
  changes: UnitChange[],
  namesIn: NamesIn,
  most = PART_OPERATIONS,
): Operation[][] {
  const moves = movesOf(changes)
  const index = indexOperations(moves, namesIn)
  const whole = split([...diffUnits(changes), ...index], most)
  if (whole.length === 1) {
    return whole
  }
  const all = changes.map(noted)
  return split(
    [...preamble(all, moves, namesIn), ...diffUnits(all, { isParted: true }), ...index],
    most,
  )
}

/** A unit that never came to have its record: nobody reads it, and it only takes room. */
function isTorso({ name, before }: UnitChange): boolean {
  return before?.entries.has(name) === false
}

/** A part of a delta. What adds to the table leaves the room that is kept for what does not. */
export interface DeltaPart {
  operations: Operation[]
  grows: boolean
}

/** Those of one unit, in a table that is full: what goes makes room for what comes. */
function unitParts(change: UnitChange): Operation[][] {
  const steps = diffUnits([change], { isFull: true })
  const inOrder = (all: Operation[]) => [...all.filter((one) => !isSet(one)), ...all.filter(isSet)]
  const parts = steps.length === 0 ? [] : split(inOrder(steps))
  if (parts.length <= 1) {
    return parts
  }
  const parted = diffUnits([change], { isParted: true, isFull: true })
  return split([...markRecord(change.name, change.before), ...inOrder(parted)])
}

/**
 * The same for a table that is full. First go all deletes, then what rewrites a unit without adding
 * to it, each unit in parts of its own, and what adds comes last. So drains and removals go through
 * however much waits to be added: of a unit that has both, its withdrawals go first. As many new
 * units as possible are whole, and none is half there. Until a slot is rewritten whose cells are
 * deleted, requests for those are retried by address.
 */
export function makePartsForFull(changes: UnitChange[], namesIn: NamesIn): DeltaPart[] {
  const torsos = changes
    .filter(isTorso)
    .map(({ name, before }) => ({ name, before, after: undefined }))
  const fresh = changes.map((change) =>
    isTorso(change) ? { ...change, before: undefined } : change,
  )
  const steady: UnitChange[] = []
  const growing: UnitChange[] = []
  for (const change of fresh) {
    const less = grows(change) ? withdrawn(change) : change.after
    if (!grows(change)) {
      steady.push(change)
    } else {
      steady.push(...(less === undefined ? [] : [{ ...change, after: less }]))
      growing.push({ ...change, before: less ?? change.before })
    }
  }
  const byNeed = [
    ...growing.filter(({ before }) => before !== undefined),
    ...growing.filter(({ before }) => before === undefined),
  ]
  const deletes = diffUnits([...torsos, ...steady], { isFull: true }).filter((one) => !isSet(one))
  const gone = new Set(deletes.map(([key]) => key))
  const left = steady.map((change) => without(change, gone))
  const index = indexOperations(movesOf(changes), namesIn)
  const parts = (list: UnitChange[], isGrowing: boolean): DeltaPart[] =>
    list.flatMap(unitParts).map((operations) => ({ operations, grows: isGrowing }))
  return [
    ...split([...deletes, ...index]).map((operations) => ({ operations, grows: false })),
    ...parts(left, false),
    ...parts(byNeed, true),
  ]
}

/** The same change where these keys are deleted already. */
function without(change: UnitChange, gone: ReadonlySet<string>): UnitChange {
  const { name, before } = change
  const entries = [...(before?.entries ?? [])].filter(([key]) => !gone.has(key))
  return before === undefined ? change : { ...change, before: { name, entries: new Map(entries) } }
}

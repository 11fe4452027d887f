/** What a claim and a delta do to the table. A write is all of it or none of it. */
import type { Code } from '../../contract/codes.js'
import type { Claim, Delta, Operation } from '../../contract/push.js'
import { STATE_KEY, parseState, printState } from '../../contract/table/table.js'
import type { TableState } from '../../contract/table/table.js'
import { RESERVED_PART, MOST_RESERVED_BYTES } from '../../contract/table/limits.js'
import type { Dict } from '../memory/dict.js'

/** `state` is the table's after it. */
export type Applied = { ok: true; state: TableState } | { ok: false; code: Code; message: string }

const MEGABYTE = 1048576
const PAGE = 4096
/** Name of the error with which a full zone refuses a key. */
const FULL = 'SharedMemoryError'

type Saved = Array<[string, string | undefined]>

function no(code: Code, message: string): Applied {
  return { ok: false, code: code, message: message }
}

export function readState(table: Dict): TableState {
  return parseState(table.get(STATE_KEY))
}

/**
 * A full zone refuses even to replace a value by one of the same size, because it makes the new
 * one first. The state must still go on when a delta only deletes, so here the old one makes
 * room.
 */
function writeState(table: Dict, state: TableState): void {
  const text = printState(state)
  let before: string | undefined
  try {
    table.set(STATE_KEY, text)
    return
  } catch (error) {
    before = table.get(STATE_KEY)
    if (before === undefined) {
      throw error
    }
  }
  table.delete(STATE_KEY)
  try {
    table.set(STATE_KEY, text)
  } catch (error) {
    table.set(STATE_KEY, before)
    throw error
  }
}

function put(table: Dict, key: string, value: string | null | undefined): void {
  if (value === null || value === undefined) {
    table.delete(key)
  } else {
    table.set(key, value)
  }
}

function putBack(table: Dict, key: string, value: string | undefined): void {
  try {
    put(table, key, value)
  } catch (error) {
    table.delete(key)
    put(table, key, value)
  }
}

/** Last first: each step finds the room that the step it undoes had freed. */
function undo(table: Dict, saved: Saved): boolean {
  try {
    for (let i = saved.length - 1; i >= 0; i--) {
      const entry = saved[i] as [string, string | undefined]
      putBack(table, entry[0], entry[1])
    }
    return true
  } catch (error) {
    return false
  }
}

function isFull(error: unknown): boolean {
  return (error as Error).name === FULL
}

/** Bytes that a write which adds to the table leaves free. */
function reservedBytesOf(table: Dict): number {
  return Math.min(table.capacity * RESERVED_PART, MOST_RESERVED_BYTES)
}

function fullMessage(table: Dict): string {
  return (
    'the zone of the table is full: it has ' +
    table.capacity +
    ' bytes, ' +
    table.freeSpace() +
    ' of them free, of which ' +
    reservedBytesOf(table) +
    ' are kept for drains and removals; set SLUICE_TABLE_SIZE (--table-size) to ' +
    Math.ceil((table.capacity * 2) / MEGABYTE) +
    'm or more'
  )
}

/**
 * Whether it can be counted on that `operations` find room even where none of them frees any, and
 * leave `reservedBytes`: a page each for a key and its value.
 */
function isRoomy(table: Dict, operations: Operation[], reservedBytes: number): boolean {
  return table.freeSpace() > reservedBytes + (operations.length + 1) * 2 * PAGE
}

function write(
  table: Dict,
  operations: Operation[],
  state: TableState,
  reservedBytes: number,
): Applied {
  // To read what was there costs a worker as much as to write; so that is done only where it may
  // be needed.
  const saved: Saved | null = isRoomy(table, operations, reservedBytes) ? null : []
  try {
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i] as Operation
      if (saved !== null) {
        saved.push([operation[0], table.get(operation[0])])
      }
      put(table, operation[0], operation[1])
    }
    if (saved !== null && table.freeSpace() < reservedBytes) {
      throw Object.assign(new Error('only the reserve is left'), { name: FULL })
    }
    writeState(table, state)
    return { ok: true, state: state }
  } catch (error) {
    // Where nothing was saved: a long value wants pages side by side, which a roomy zone may lack
    // too.
    if (saved === null || !undo(table, saved)) {
      const before = readState(table)
      // Revision 0 is nobody's: the controller has to compare and write it all again.
      writeState(table, { epoch: before.epoch, revision: 0, whole: false })
    }
    if (isFull(error)) {
      return no('table_full', fullMessage(table))
    }
    throw error
  }
}

/**
 * Takes the gateway over for a new epoch. The table stays and serves; its revision is 0 until the
 * new owner has compared it, because revisions of another run may be above all that this one will
 * ever count.
 */
export function applyClaim(table: Dict, claim: Claim): Applied {
  const state = readState(table)
  if (claim.expect !== state.epoch) {
    return no('stale_epoch', 'epoch ' + state.epoch + ' owns this gateway, not ' + claim.expect)
  }
  if (claim.epoch <= state.epoch) {
    return no('stale_epoch', 'epoch ' + claim.epoch + ' is not above ' + state.epoch)
  }
  return write(table, [], { epoch: claim.epoch, revision: 0, whole: false }, 0)
}

/** `grows`: the delta adds to the table, so it leaves the reserve for what does not. */
export function applyDelta(table: Dict, delta: Delta, grows: boolean): Applied {
  const state = readState(table)
  if (delta.epoch !== state.epoch || state.epoch === 0) {
    return no('stale_epoch', 'epoch ' + state.epoch + ' owns this gateway, not ' + delta.epoch)
  }
  if (delta.from !== state.revision) {
    return no(
      'revision_gap',
      'the table is at revision ' + state.revision + ', not at ' + delta.from,
    )
  }
  const after = { epoch: delta.epoch, revision: delta.to, whole: state.whole || delta.whole }
  return write(table, delta.operations, after, grows ? reservedBytesOf(table) : 0)
}

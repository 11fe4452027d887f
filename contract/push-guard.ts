/** What a body of the push protocol (push.ts) must be, before anything of it is believed. */
import { guardShape, right, wrong } from './guard/guarded.js'
import type { Guarded, Fields } from './guard/guarded.js'
import { isWhole } from './guard/names.js'
import { OWNER_KEY } from './push.js'
import type { ActiveRequest, AnswersRequest, Claim, Delta, Read, SweepRequest } from './push.js'
import { areOperations, areShort, isDeltaText, isTableKey } from './table/table.js'
import { MOST_OPERATIONS } from './table/limits.js'

function parseFields(value: unknown, fields: string[]): Guarded<Fields> {
  const shape = guardShape(value, fields)
  if (!shape.ok) {
    return shape
  }
  const there = Object.keys(shape.value)
  const missing = fields.filter((key) => there.indexOf(key) < 0)
  return missing.length > 0 ? wrong(missing[0] as string, 'is missing') : shape
}

function isCount(value: unknown): value is number {
  return isWhole(value, 0, Number.MAX_SAFE_INTEGER)
}

function parseList(value: unknown, field: string): Guarded<unknown[]> {
  return Array.isArray(value) && value.length <= MOST_OPERATIONS
    ? right(value)
    : wrong(field, 'must be a list of at most ' + MOST_OPERATIONS)
}

/** Which of `operations` is none, and what is wrong with it. */
function wrongOperation(operations: unknown[]): Guarded<Delta> {
  const index = operations.findIndex((operation) => !areOperations([operation]))
  const bad = operations[index]
  const field = 'operations[' + index + ']'
  if (!Array.isArray(bad) || bad.length !== 2) {
    return wrong(field, 'must be [key, value] or [key, null]')
  }
  return isTableKey(bad[0])
    ? wrong(field + '[1]', 'does not fit its key')
    : wrong(field + '[0]', 'is not a key of the table')
}

export function parseClaim(value: unknown): Guarded<Claim> {
  const parsed = parseFields(value, ['epoch', 'expect'])
  if (!parsed.ok) {
    return parsed
  }
  if (!isWhole(parsed.value.epoch, 1, Number.MAX_SAFE_INTEGER)) {
    return wrong('epoch', 'must be a whole number from 1')
  }
  return isCount(parsed.value.expect)
    ? right(parsed.value as unknown as Claim)
    : wrong('expect', 'must be a whole number')
}

function headFault(delta: Record<string, unknown>): [string, string] | null {
  const counts = ['epoch', 'from', 'to'].filter((field) => !isCount(delta[field]))
  if (counts.length > 0) {
    return [counts[0] as string, 'must be a whole number']
  }
  if ((delta.to as number) < (delta.from as number)) {
    return ['to', 'must not be below from']
  }
  return typeof delta.whole === 'boolean' ? null : ['whole', 'must be true or false']
}

/**
 * Whether `value`, parsed from `text`, is a delta; for those that are printed as the controller
 * prints them, in far less time than {@link parseDelta}.
 */
function isDelta(value: unknown, text: string): value is Delta {
  const delta = value as Delta
  return (
    isDeltaText(text) &&
    delta.to >= delta.from &&
    delta.operations.length <= MOST_OPERATIONS &&
    areShort(delta.operations, text)
  )
}

/**
 * Parses all of a delta, so that nothing of a bad one is ever written. `text` is what `value` was
 * parsed from.
 */
export function parseDelta(value: unknown, text: string): Guarded<Delta> {
  return isDelta(value, text) ? right(value) : parseDeltaFields(value)
}

/** Names the field that is wrong. */
function parseDeltaFields(value: unknown): Guarded<Delta> {
  const parsed = parseFields(value, ['epoch', 'from', 'to', 'whole', 'operations'])
  if (!parsed.ok) {
    return parsed
  }
  const head = headFault(parsed.value)
  if (head !== null) {
    return wrong(head[0], head[1])
  }
  const operations = parseList(parsed.value.operations, 'operations')
  if (!operations.ok) {
    return operations
  }
  if (!areOperations(operations.value)) {
    return wrongOperation(operations.value)
  }
  return right(parsed.value as unknown as Delta)
}

export function parseRead(value: unknown): Guarded<Read> {
  const parsed = parseFields(value, ['keys'])
  if (!parsed.ok) {
    return parsed
  }
  const keys = parseList(parsed.value.keys, 'keys')
  if (!keys.ok) {
    return keys
  }
  const bad = keys.value.filter((key) => key !== OWNER_KEY && !isTableKey(key))
  return bad.length > 0
    ? wrong('keys', 'not a key of the table: ' + String(bad[0]).slice(0, 80))
    : right({ keys: keys.value as string[] })
}

function parseSids(value: unknown): Guarded<string[]> {
  const sids = parseList(value, 'sids')
  if (!sids.ok) {
    return sids
  }
  return sids.value.some((sid) => typeof sid !== 'string' || !/^[0-9a-f]{32}$/.test(sid))
    ? wrong('sids', 'must be SIDs of 32 hex digits')
    : right(sids.value as string[])
}

function parsePids(value: unknown): Guarded<number[]> {
  const pids = parseList(value, 'pids')
  if (!pids.ok) {
    return pids
  }
  return pids.value.every(isCount) ? right(pids.value) : wrong('pids', 'must be process ids')
}

export function parseActive(value: unknown): Guarded<ActiveRequest> {
  const parsed = parseFields(value, ['sids', 'pids'])
  if (!parsed.ok) {
    return parsed
  }
  const sids = parseSids(parsed.value.sids)
  if (!sids.ok) {
    return sids
  }
  const pids = parsePids(parsed.value.pids)
  return pids.ok ? right({ sids: sids.value, pids: pids.value }) : pids
}

export function parseAnswers(value: unknown): Guarded<AnswersRequest> {
  const parsed = parseFields(value, ['sids'])
  if (!parsed.ok) {
    return parsed
  }
  const sids = parseSids(parsed.value.sids)
  return sids.ok ? right({ sids: sids.value }) : sids
}

export function parseSweep(value: unknown): Guarded<SweepRequest> {
  const parsed = parseFields(value, ['pids'])
  if (!parsed.ok) {
    return parsed
  }
  const pids = parsePids(parsed.value.pids)
  return pids.ok ? right({ pids: pids.value }) : pids
}

/**
 * The push protocol: JSON over the gateway's admin socket. Every write names the epoch that makes
 * it, and is refused unless that epoch owns the gateway. A delta also names the revision it starts
 * from. Errors are {@link Rejection}s with the status of their code. Each call, its body, and what
 * it answers:
 *
 * - `GET /state` → {@link GatewayState}
 * - `POST /claim` {@link Claim} → {@link GatewayState}. From now on only this epoch may write. The
 *   table stays, and counts as not whole.
 * - `POST /delta[?grows=1]` {@link Delta} → {@link TableState}, after all of it or none of it was
 *   written. One that grows leaves KEPT_PART of the zone free.
 * - `POST /read` {@link Read} → {@link ReadReply}
 * - `POST /active` {@link ActiveRequest} → {@link ActiveReply}
 * - `GET /probe/<limit>?sid=&pid=` → `1` when at least `limit` requests are in flight, else `0`
 * - `GET /events?from=` → {@link EventsReply}: what failed since the event of that number
 * - `POST /answers` {@link AnswersRequest} → {@link AnswersReply}
 * - `POST /sweep` {@link SweepRequest} → {@link SweepReply}. Takes back the load that dead workers
 *   hold.
 * - `POST /forget` {@link AnswersRequest} → `{ok: true}`. These peers are gone, and are counted no
 *   more.
 * - `GET /counters` → `{noRoute: 3, …}`
 * - `POST /touch?epoch=` → `{ok: true}`. Writes one key, so that a hung lock shows. With an epoch
 *   it also writes {@link OWNER_KEY}.
 * - `GET /alive` → `ok`. Touches no dict.
 */
import { checkShape, right, wrong } from './guard/checked.js'
import type { Checked, Fields } from './guard/checked.js'
import type { Code } from './codes.js'
import type { TableState } from './table/table.js'
import { areOperations, areShort, isDeltaText, isTableKey } from './table/table.js'
import { MAX_OPERATIONS } from './table/zones.js'
import { isWhole } from './guard/names.js'

/** Holds `<epoch> <milliseconds>` of the owner that last gave a sign of life. */
export const OWNER_KEY = '!owner'

export interface GatewayState extends TableState {
  /** Pid of nginx's master. */
  pid: number
  /** Pids of its workers, those that are shutting down included. Empty when nginx does not know. */
  workers: number[]
  nginx: string
  njs: string
  engine: 'njs' | 'qjs'
  /** Free whole pages of the table's zone: a low-water mark. */
  freeBytes: number
  /** Of stream{}: the ports that are open for routes, such as `9100-9104 9106`. */
  ports?: string
  /**
   * Of stream{}: whether TLS connections to the HTTPS port are looked at, and passed through by
   * name.
   */
  passthrough?: boolean
  /** Of these ports, those whose routes may be tuned. */
  tuned?: string
}

export interface Claim {
  epoch: number
  /** The epoch that the claimer saw; another one there means it lost a race. */
  expect: number
}

/** A set (`[key, value]`) or a delete (`[key, null]`). */
export type Operation = [string, string | null]

export interface Delta {
  epoch: number
  from: number
  /** Equal to `from` for all but the last part of a delta that needs several. */
  to: number
  /** True with the last part of a resync: the table is whole at `to`. */
  whole: boolean
  operations: Operation[]
}

export interface Read {
  keys: string[]
}

export interface ReadReply {
  values: Array<string | null>
}

export interface ActiveRequest {
  sids: string[]
  /** Workers that live; what others left behind is not counted, and is dropped. */
  pids: number[]
}

export interface ActiveReply {
  /** What the hop has in flight to each of `sids`, in their order. */
  active: number[]
}

export interface EventsReply {
  /**
   * Parent of the worker that answers: another one than before means that nginx was started anew,
   * and counts from 0.
   */
  master: number
  /** Ask from here the next time. */
  next: number
  /**
   * `f<sid>` a failed try, `t<sid>` a trial that was taken, `p<sid>` that passed; oldest first,
   * at most EVENTS, the newest.
   */
  events: string[]
}

export interface AnswersRequest {
  sids: string[]
}

/**
 * Counted since nginx started, in the order of the request; only where an upstream's rules say
 * `measured`.
 */
export interface AnswersReply {
  answers: number[]
  /** Of them, 5xx or none. */
  errors: number[]
  /** Sum of the times until they began. */
  millis: number[]
}

export interface SweepRequest {
  /** Workers that live. */
  pids: number[]
}

export interface SweepReply {
  /** Counts of dead workers that were taken back. */
  swept: number
}

export interface Rejection {
  code: Code
  message: string
  /** `operations[3][0]`; absent when it is about the whole. */
  field?: string
  epoch?: number
  revision?: number
}

function parseFields(value: unknown, fields: string[]): Checked<Fields> {
  const shape = checkShape(value, fields)
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

function parseList(value: unknown, field: string): Checked<unknown[]> {
  return Array.isArray(value) && value.length <= MAX_OPERATIONS
    ? right(value)
    : wrong(field, 'must be a list of at most ' + MAX_OPERATIONS)
}

/** Which of `operations` is none, and what is wrong with it. */
function wrongOperation(operations: unknown[]): Checked<Delta> {
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

export function parseClaim(value: unknown): Checked<Claim> {
  const checked = parseFields(value, ['epoch', 'expect'])
  if (!checked.ok) {
    return checked
  }
  if (!isWhole(checked.value.epoch, 1, Number.MAX_SAFE_INTEGER)) {
    return wrong('epoch', 'must be a whole number from 1')
  }
  return isCount(checked.value.expect)
    ? right(checked.value as unknown as Claim)
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
    delta.operations.length <= MAX_OPERATIONS &&
    areShort(delta.operations, text)
  )
}

/**
 * Checks all of a delta, so that nothing of a bad one is ever written. `text` is what `value` was
 * parsed from.
 */
export function parseDelta(value: unknown, text: string): Checked<Delta> {
  return isDelta(value, text) ? right(value) : parseDeltaFields(value)
}

/** Names the field that is wrong. */
function parseDeltaFields(value: unknown): Checked<Delta> {
  const checked = parseFields(value, ['epoch', 'from', 'to', 'whole', 'operations'])
  if (!checked.ok) {
    return checked
  }
  const head = headFault(checked.value)
  if (head !== null) {
    return wrong(head[0], head[1])
  }
  const operations = parseList(checked.value.operations, 'operations')
  if (!operations.ok) {
    return operations
  }
  if (!areOperations(operations.value)) {
    return wrongOperation(operations.value)
  }
  return right(checked.value as unknown as Delta)
}

export function parseRead(value: unknown): Checked<Read> {
  const checked = parseFields(value, ['keys'])
  if (!checked.ok) {
    return checked
  }
  const keys = parseList(checked.value.keys, 'keys')
  if (!keys.ok) {
    return keys
  }
  const bad = keys.value.filter((key) => key !== OWNER_KEY && !isTableKey(key))
  return bad.length > 0
    ? wrong('keys', 'not a key of the table: ' + String(bad[0]).slice(0, 80))
    : right({ keys: keys.value as string[] })
}

function parseSids(value: unknown): Checked<string[]> {
  const sids = parseList(value, 'sids')
  if (!sids.ok) {
    return sids
  }
  return sids.value.some((sid) => typeof sid !== 'string' || !/^[0-9a-f]{32}$/.test(sid))
    ? wrong('sids', 'must be SIDs of 32 hex digits')
    : right(sids.value as string[])
}

function parsePids(value: unknown): Checked<number[]> {
  const pids = parseList(value, 'pids')
  if (!pids.ok) {
    return pids
  }
  return pids.value.every(isCount) ? right(pids.value) : wrong('pids', 'must be process ids')
}

export function parseActive(value: unknown): Checked<ActiveRequest> {
  const checked = parseFields(value, ['sids', 'pids'])
  if (!checked.ok) {
    return checked
  }
  const sids = parseSids(checked.value.sids)
  if (!sids.ok) {
    return sids
  }
  const pids = parsePids(checked.value.pids)
  return pids.ok ? right({ sids: sids.value, pids: pids.value }) : pids
}

export function parseAnswers(value: unknown): Checked<AnswersRequest> {
  const checked = parseFields(value, ['sids'])
  if (!checked.ok) {
    return checked
  }
  const sids = parseSids(checked.value.sids)
  return sids.ok ? right({ sids: sids.value }) : sids
}

export function parseSweep(value: unknown): Checked<SweepRequest> {
  const checked = parseFields(value, ['pids'])
  if (!checked.ok) {
    return checked
  }
  const pids = parsePids(checked.value.pids)
  return pids.ok ? right({ pids: pids.value }) : pids
}

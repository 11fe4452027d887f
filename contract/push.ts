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
 *   written. One that grows leaves RESERVED_PART of the zone free.
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
 * - `POST /touch?epoch=` → `{ok: true}`. Writes {@link TOUCH_KEY}, so that a hung lock shows. With
 *   an epoch it also writes {@link OWNER_KEY}.
 * - `GET /alive` → `ok`. Touches no dict.
 */
import type { Code } from './codes.js'
import type { TableState } from './table/table.js'

/** Key of the table: `<epoch> <milliseconds>` of the owner that last gave a sign of life. */
export const OWNER_KEY = '!owner'
/** Key of the table that is written only to see whether a write ends. */
export const TOUCH_KEY = '!touch'

/** Events that njs counts, by their names in `GET /counters` and in COUNTER_ZONE. */
export const COUNTED_EVENTS = [
  'noRoute',
  'noPeer',
  'full',
  'retried',
  'fallback',
  'failed',
] as const
export type CountedEvent = (typeof COUNTED_EVENTS)[number]

export interface GatewayState extends TableState {
  /** Pid of nginx's master. */
  pid: number
  /** Pids of its workers, those that are shutting down included. Empty when nginx does not know. */
  workers: number[]
  nginx: string
  njs: string
  engine: 'njs' | 'qjs'
  /** Bytes of whole free pages in the table's zone: at least so many are free. */
  freeBytes: number
  /** Whether its front takes the names of instances from the slots of hosts. */
  named?: boolean
  /** Of stream{}: the ports that are open for routes, such as `9100-9104 9106`. */
  ports?: string
  /**
   * Of stream{}: whether TLS connections to the HTTPS port are looked at, and some passed through,
   * by the name that they ask for.
   */
  passthrough?: boolean
  /** Of `ports`, those whose routes may be tuned (contract/record/tuning.ts). */
  tuned?: string
  /** Of stream{}: how many seats it has (contract/seat.ts). */
  seats?: number
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
   * Pid of the parent of the worker that answers: nginx's master. Another one than before means
   * that nginx was started anew, and counts from 0.
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

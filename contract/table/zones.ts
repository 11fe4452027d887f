/** nginx's zones of shared memory, and what stands in them besides the table. */

/** Shared dict (string) that holds the table. */
export const TABLE_ZONE = 'sluice_table'
/**
 * Shared dict (number) that counts what `limit_conn` does not: requests that the hop sends, per
 * peer and worker.
 */
export const ACTIVE_ZONE = 'sluice_active'
/**
 * Shared dict (number) of what policies need: `c<sid>` and `c<sid>/<pid>` in flight, `t<sid>` and
 * `a<sid>` mean time and when it was taken, `i<unit>` turns of roundRobin, `b<unit>` what is left
 * of a retry budget, `n<sid>` `e<sid>` `m<sid>` answers, errors and milliseconds,
 * `?<number><sid>` when somebody took a trial.
 */
export const LOAD_ZONE = 'sluice_load'
/**
 * Shared dict (string) of the last EVENTS failures, in a ring: `<number % EVENTS>` →
 * `<number>f<sid>` or, for a trial, `<number>t<sid>` when a request took it and `<number>p<sid>`
 * when that passed.
 */
export const EVENT_ZONE = 'sluice_event'
export const EVENTS = 1024
/**
 * Shared dict (string) of places that are taken for a request of another server of nginx:
 * `<pid>-<request>` → `-` while it waits, or the keys of LOAD_ZONE that count for it.
 */
export const PROMISE_ZONE = 'sluice_promise'
/** Key of COUNTER_ZONE: how many events EVENT_ZONE was given. */
export const EVENT_COUNT = 'events'
/** Shared dict (number) of event counters: COUNTED_EVENTS, and EVENT_COUNT. */
export const COUNTER_ZONE = 'sluice_counter'
/**
 * The same in stream{}, which shares none with http{}; and `handoff`, what one of its servers says
 * to the next about a connection that it hands off.
 */
export const STREAM_ZONES = {
  table: 'sluice_stream_table',
  active: 'sluice_stream_active',
  load: 'sluice_stream_load',
  event: 'sluice_stream_event',
  counter: 'sluice_stream_counter',
  handoff: 'sluice_stream_handoff',
}
/** `limit_conn_zone` keyed by peer SID and worker pid: what is in flight. */
export const CONNECTION_ZONE = 'sluice_connection'

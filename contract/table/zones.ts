/** Names and limits that nginx's configuration, njs and the controller must agree on. */

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
/** Key in the counter zone: how many events there were. */
export const EVENT_COUNT = 'events'
/**
 * Shared dict (number) of event counters: `noRoute`, `noPeer`, `full`, `retried`, `fallback`,
 * `failed`.
 */
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
/**
 * What stands before a name that TLS is passed through for, in the table of stream{}:
 * `tls*app.example.com` at the HTTPS port, `9100*app.example.com` at a port of its own; there
 * `9100*` alone says that the port has names.
 */
export const SNI_PREFIX = 'tls*'
/** In the fallback of stream{}: what nobody may serve. */
export const NOBODY = '-'
/** `limit_conn_zone` keyed by peer SID and worker pid: what is in flight. */
export const CONNECTION_ZONE = 'sluice_connection'
/** The upstream{} that holds every peer, reached by SID. */
export const POOL = 'sluice_pool'
/**
 * A wide pool is as many upstream{}s as this, `sluice_pool_0` and so on; which of them has a peer
 * follows from its SID.
 */
export const POOL_SHARDS = 16
/** The upstream{} of the hop alone. */
export const HOP = 'sluice_hop'
/** The upstream{} of the hop's server for gRPC. */
export const GRPC_HOP = 'sluice_grpc_hop'
/** The header that names the front's pick to the hop: `<key> <sid>`. */
export const PICK_HEADER = 'X-Sluice-Pick'
/** The header that asks the hop for an instance's `X-Accel-*`. */
export const ACCEL_HEADER = 'X-Sluice-Accel'
/** In place of a SID: what asks has no time limit of its own. */
export const PATIENT = 'patient'
/** Where a front goes on that has none. */
export const PATIENT_LOCATION = '@sluice_patient'
/** In place of a SID: only the head came, for the request is refused; its body is not read. */
export const HEAD_ONLY = 'head'
/** The same, of a body that is larger than its route takes. */
export const TOO_LARGE = 'large'
/** Where a front goes on with those. */
export const REFUSING_LOCATION = '@sluice_refusing'
/** Where a front goes on with what it leaves to the hop. */
export const HOP_LOCATION = '@sluice_to_hop'
/** Where a front goes on that changes the request itself; `_body` and `_edited` may follow. */
export const CHANGING_LOCATION = '@sluice_changing'
/** Where a front goes on with what a route changes and only the hop can. */
export const ACTING_LOCATION = '@sluice_acting'
/**
 * A body in chunks has no length yet. Where its route sets a limit, the front goes on at a location
 * that ends in `_<bytes>`, the least of these that is not below it: nginx takes no limit from a
 * variable. Above all of them the server's own limit holds until the length is known.
 */
export const BODY_LIMITS = [4096, 65536, 1048576, 16777216]
/**
 * The header by which the hop reports to the front's access log where a request went:
 * `<upstream> <instance> <tries>`, and `!` where Sluice itself answered.
 */
export const PEER_HEADER = 'X-Sluice-Peer'

/** By this status the judge tells the hop, and nobody else, that its try was not the answer. */
export const UNANSWERED_STATUS = 590
/** The hop's location that asks by the judge. */
export const JUDGED_LOCATION = '@sluice_judged'

/** nginx draws a number below this for each request (`split_clients`, 2 % each). */
export const SLOTS = 50
/**
 * nginx draws a second number below this when a slot is shared by several peers (`split_clients`,
 * 0.1 % each).
 */
export const SHARES = 1000
/** What both draws make together: one of 50,000 numbers. */
export const DRAWS = SLOTS * SHARES
/**
 * A slot shared by at most this many peers holds them in its value; one shared by more has a key
 * for each share.
 */
export const INLINE_PEERS = 16
/** Peers in one peer bucket, on average, at most. */
export const BUCKET_PEERS = 16
/** Buckets of the index of units. */
export const INDEX_BUCKETS = 256
/**
 * Hosts that get slots of their own, so that a request for them reads one key. Further hosts cost
 * a second read.
 */
export const FAST_HOSTS = 1000

/** A record's value is never longer than this. */
export const MAX_VALUE_BYTES = 32768
/**
 * A delta that adds to the table leaves this part of its zone free, and no more than
 * {@link MOST_RESERVED_BYTES}: for drains and removals, which go through however full it is.
 */
export const RESERVED_PART = 1 / 16
export const MOST_RESERVED_BYTES = 1048576
/** Operations in one delta, keys in one read. */
export const MAX_OPERATIONS = 1000
/** A body sent to the admin endpoint is never longer than this. */
export const MAX_BODY_BYTES = 1048576
/** Tries of one request, the first included. */
export const MAX_TRIES = 8

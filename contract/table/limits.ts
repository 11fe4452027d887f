/** Sizes and limits that the table, its readers and its writer must agree on. */

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
 * A slot shared by at most this many peers holds them in its value; one shared by more has
 * cells, with a key each.
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
/** Up to here what is in flight to a peer is counted exactly, for a drain. */
export const EXACT_IN_FLIGHT = 64
/** Above, the count is the largest of 128, 256, … that is reached; this is the last of them. */
export const MOST_IN_FLIGHT = 32768
/** A record's value is never longer than this. */
export const MOST_VALUE_BYTES = 32768
/**
 * A delta that adds to the table leaves this part of its zone free, and no more than
 * {@link MOST_RESERVED_BYTES}: for drains and removals, which go through however full it is.
 */
export const RESERVED_PART = 1 / 16
export const MOST_RESERVED_BYTES = 1048576
/** Operations in one delta, keys in one read. */
export const MOST_OPERATIONS = 1000
/** A body sent to the admin endpoint is never longer than this. */
export const MOST_BODY_BYTES = 1048576
/** Tries of one request, the first included. */
export const MOST_TRIES = 8
